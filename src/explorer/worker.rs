//! Slow things beside the loop: photographs from a disk that may be far away, the network that locates one, the file
//! that remembers a session. The loop hands work over and goes on; answers come back as messages.

mod bench;

pub use bench::{Examined, Examiner, Finding, Outcome, Reporter, Shot, Task, Tell};

use super::action::Message;
use super::photographs::{Crop, CropRequest, Photographs};
use super::session::{Keeper, Session};
use super::state::State;
use super::typed::{Completed, Completion};
use crate::atlas::{Atlas, ClassId};
use bench::Bench;
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;

/// What the loop can hand over.
#[derive(Debug, Clone, PartialEq)]
pub enum Work {
    /// This is the atlas now.
    Atlas(Arc<Atlas>),
    /// These crops are wanted now, most wanted first; earlier wishes are forgotten.
    Crops(Vec<CropRequest>),
    /// The photographs are in this folder now.
    Folder(PathBuf),
    /// Run a photograph through the network.
    Locate(Photo),
    /// Look how a path goes on.
    Complete(Completion),
    /// List, test or report suspects.
    Bench(Task),
}

/// A photograph to locate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Photo {
    /// A file.
    File(PathBuf),
    /// An image of the atlas.
    Image(u32),
}

/// What comes back.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// A crop, or why there is none.
    Crop(CropRequest, Result<Crop, String>),
    /// The photographs are in this folder now, and how many of those looked for; or why not.
    Folder(Result<(PathBuf, String), String>),
    /// How the path of a typed line goes on.
    Completed(String, Completed),
    /// A photograph was located.
    Located(Result<Box<Located>, String>),
    /// News about suspects.
    Bench(Outcome),
}

const NO_LOCATOR: &str = "this program was built without networks, so it cannot locate photographs";

/// Where a photograph lies in the atlas.
#[derive(Debug, Clone, PartialEq)]
pub struct Located {
    /// What to call it.
    pub name: String,
    /// The classes with the largest logits, largest first, with their probabilities.
    pub predictions: Vec<(ClassId, f32)>,
    /// For each layer of the atlas, by row and column of the layer, an index into the cells of the finest level;
    /// empty for a layer that is not known.
    pub cells: Vec<Vec<u16>>,
    /// Its index, when it is an image of the atlas.
    pub image: Option<u32>,
    /// The photograph itself, when it is not.
    pub picture: Option<Crop>,
}

/// Runs photographs through the atlas's network. Lives on a thread of its own.
pub trait Locator: Send {
    /// Takes an atlas, the first or a newer one.
    fn atlas(&mut self, atlas: Arc<Atlas>);

    /// Locates a photograph.
    ///
    /// # Errors
    /// A sentence for people: an unreadable file, weights that are missing.
    fn locate(&mut self, photo: &Photo) -> Result<Located, String>;
}

/// What the explorer is given beside the atlas.
#[derive(Default)]
pub struct Services {
    /// The images behind the cells.
    pub photographs: Option<Box<dyn Photographs>>,
    /// Runs photographs through the network, where the program has networks.
    pub locator: Option<Box<dyn Locator>>,
    /// Remembers the session.
    pub keeper: Option<Box<dyn Keeper>>,
    /// Runs causal tests, where the program has networks.
    pub examiner: Option<Box<dyn Examiner>>,
    /// Writes reports.
    pub reporter: Option<Box<dyn Reporter>>,
}

impl std::fmt::Debug for Services {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Services")
            .field("photographs", &self.photographs.is_some())
            .field("locator", &self.locator.is_some())
            .field("keeper", &self.keeper.is_some())
            .field("examiner", &self.examiner.is_some())
            .field("reporter", &self.reporter.is_some())
            .finish()
    }
}

/// What the photographs' thread has to do.
#[derive(Debug, Default)]
struct Wishes {
    atlas: Option<Arc<Atlas>>,
    folder: Option<PathBuf>,
    crops: VecDeque<CropRequest>,
    closed: bool,
}

/// What the locator's thread has to do.
enum Order {
    Atlas(Arc<Atlas>),
    Photo(Photo),
}

type Shared = Arc<(Mutex<Wishes>, Condvar)>;

/// The loop's side of the workers.
#[derive(Debug)]
pub struct Desk {
    wishes: Option<Shared>,
    locate: Option<Sender<Order>>,
    secretary: Option<Secretary>,
    bench: Bench,
    answers: Sender<Message>,
}

/// The thread that writes sessions: a disk may be slow, and it is told to have really written.
#[derive(Debug)]
struct Secretary {
    sessions: Sender<Session>,
    thread: thread::JoinHandle<()>,
}

impl Secretary {
    fn open(mut keeper: Box<dyn Keeper>) -> std::io::Result<Self> {
        let (sessions, rx) = channel::<Session>();
        let thread = spawn("session", move || {
            while let Ok(session) = rx.recv() {
                // Only the newest counts.
                keeper.keep(&rx.try_iter().last().unwrap_or(session));
            }
        })?;
        Ok(Self { sessions, thread })
    }
}

impl Desk {
    /// Starts the workers that the services need. Their answers arrive at the receiver.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn open(services: Services) -> std::io::Result<(Desk, Receiver<Message>)> {
        let (answers, receiver) = channel();
        let wishes = match services.photographs {
            Some(photographs) => {
                let shared = Shared::default();
                let (theirs, tx) = (Arc::clone(&shared), answers.clone());
                spawn("photographs", move || {
                    serve_crops(photographs, &theirs, &tx);
                })?;
                Some(shared)
            }
            None => None,
        };
        let locate = match services.locator {
            Some(locator) => {
                let (tx, photos) = channel();
                let answers = answers.clone();
                spawn("locate", move || {
                    serve_locate(locator, &photos, &answers);
                })?;
                Some(tx)
            }
            None => None,
        };
        let desk = Desk {
            wishes,
            locate,
            secretary: services.keeper.map(Secretary::open).transpose()?,
            bench: Bench::open(services.examiner, services.reporter, answers.clone())?,
            answers,
        };
        Ok((desk, receiver))
    }

    /// Hands work over; never blocks.
    pub fn take(&mut self, work: Work) {
        match work {
            Work::Atlas(atlas) => {
                if let Some(tx) = &self.locate {
                    // The thread is gone only when it panicked; a later order says so.
                    let _ = tx.send(Order::Atlas(Arc::clone(&atlas)));
                }
                self.bench.atlas(&atlas);
                self.wish(|wishes| wishes.atlas = Some(atlas));
            }
            Work::Crops(crops) => self.wish(|wishes| wishes.crops = crops.into()),
            Work::Folder(folder) => {
                self.bench.folder(&folder);
                self.wish(|wishes| wishes.folder = Some(folder));
            }
            Work::Complete(asked) => {
                let answers = self.answers.clone();
                // On a thread of its own: a folder may be far away. Without one nothing is completed.
                let _ = spawn("complete", move || {
                    let found = asked.look();
                    let answer = Answer::Completed(asked.typed, found);
                    // The loop may be gone.
                    let _ = answers.send(Message::Answer(answer));
                });
            }
            Work::Bench(task) => self.bench.take(task),
            Work::Locate(photo) => {
                let sent = self
                    .locate
                    .as_ref()
                    .is_some_and(|tx| tx.send(Order::Photo(photo)).is_ok());
                if !sent {
                    let why = Err(NO_LOCATOR.to_owned());
                    let _ = self.answers.send(Message::Answer(Answer::Located(why)));
                }
            }
        }
    }

    fn wish(&self, change: impl FnOnce(&mut Wishes)) {
        if let Some(shared) = &self.wishes {
            change(&mut shared.0.lock().unwrap_or_else(PoisonError::into_inner));
            shared.1.notify_one();
        }
    }

    /// Remembers the session if it is another than the one that was kept last.
    pub fn keep(&mut self, state: &mut State) {
        if let Some(secretary) = &self.secretary
            && let Some(session) = state.session_to_keep()
            && secretary.sessions.send(session.clone()).is_ok()
        {
            state.restored = Some(session);
        }
    }

    /// Remembers the session; the last thing before the explorer ends.
    pub fn close(&mut self, state: &mut State) {
        self.wish(|wishes| wishes.closed = true);
        self.bench.close();
        self.keep(state);
        if let Some(Secretary { sessions, thread }) = self.secretary.take() {
            drop(sessions);
            // A panic of its own was told where it happened.
            let _ = thread.join();
        }
    }
}

fn spawn(
    name: &str,
    work: impl FnOnce() + Send + 'static,
) -> std::io::Result<thread::JoinHandle<()>> {
    thread::Builder::new().name(name.to_owned()).spawn(work)
}

/// The latest wishes win: whatever is asked while a photograph is read replaces what was asked before.
fn serve_crops(mut photographs: Box<dyn Photographs>, shared: &Shared, tx: &Sender<Message>) {
    loop {
        let (atlas, folder, request) = {
            let wishes = shared.0.lock().unwrap_or_else(PoisonError::into_inner);
            let idle = |w: &mut Wishes| {
                !w.closed && w.atlas.is_none() && w.folder.is_none() && w.crops.is_empty()
            };
            let mut wishes = shared
                .1
                .wait_while(wishes, idle)
                .unwrap_or_else(PoisonError::into_inner);
            if wishes.closed {
                return;
            }
            (
                wishes.atlas.take(),
                wishes.folder.take(),
                wishes.crops.pop_front(),
            )
        };
        if let Some(atlas) = atlas {
            photographs.atlas(&atlas);
        }
        let mut sent = true;
        if let Some(folder) = folder {
            let found = photographs.moved(&folder).map(|found| (folder, found));
            sent &= tx.send(Message::Answer(Answer::Folder(found))).is_ok();
        }
        if let Some(request) = request {
            let crop = photographs.crop(&request);
            sent &= tx
                .send(Message::Answer(Answer::Crop(request, crop)))
                .is_ok();
        }
        if !sent {
            return;
        }
    }
}

fn serve_locate(mut locator: Box<dyn Locator>, orders: &Receiver<Order>, tx: &Sender<Message>) {
    for order in orders {
        let photo = match order {
            Order::Atlas(atlas) => {
                locator.atlas(atlas);
                continue;
            }
            Order::Photo(photo) => photo,
        };
        let located = locator.locate(&photo).map(Box::new);
        if tx.send(Message::Answer(Answer::Located(located))).is_err() {
            return;
        }
    }
}
