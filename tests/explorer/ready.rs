//! What the explorer makes ready before it is asked for.

use super::suspects::labelled;
use atlascope::atlas::Atlas;
use atlascope::explorer::Message;
use atlascope::explorer::suspects::Which;
use atlascope::explorer::worker::{
    Answer, Desk, Examined, Examiner, Outcome, Services, Task, Tell, Work,
};
use atlascope::suspects::claim::Claim;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

/// Says what is wanted of it.
struct Noted(Sender<&'static str>);

impl Examiner for Noted {
    fn atlas(&mut self, _: Arc<Atlas>) {}

    fn moved(&mut self, _: &Path) {}

    fn ready(&mut self) {
        let _ = self.0.send("ready");
    }

    fn examine(&mut self, _: &Examined, _: Tell<'_>) -> Result<Claim, String> {
        let _ = self.0.send("examine");
        Err("nothing to test with".to_owned())
    }
}

/// The network is opened behind the list of suspects, so that the first test need not wait for it.
#[test]
fn tests_are_made_ready_once_the_list_is_there() {
    let (noted, wanted) = channel();
    let services = Services {
        examiner: Some(Box::new(Noted(noted))),
        ..Services::default()
    };
    let (mut desk, answers) = Desk::open(services).unwrap();
    let soon = Duration::from_secs(60);
    desk.take(Work::Bench(Task::Find(Which::All, 1, labelled())));
    let found = answers.recv_timeout(soon).unwrap();
    assert!(matches!(
        found,
        Message::Answer(Answer::Bench(Outcome::Found(Which::All, 1, _)))
    ));
    assert_eq!(wanted.recv_timeout(soon).unwrap(), "ready");
    assert!(wanted.try_recv().is_err());
}
