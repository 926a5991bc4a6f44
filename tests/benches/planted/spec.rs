//! Networks by name, their clean images, and what is kept about them.

use atlascope::images::decode;
use atlascope::images::world::World;
use atlascope::progress::Silent;
use atlascope::train::planted::{Images, Outcome, Plan, Style, scene_list, scenes};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Classes of a network on the synthetic world.
const N_CLASSES: usize = 10;
/// Scenes per class to learn from, and to analyse.
const SCENES: (usize, usize) = (1200, 500);
/// Photographs per class to learn from; the rest are analysed.
const PHOTOS: usize = 250;
const PHOTOS_ANALYSED: usize = 150;
/// Share of the light that an image's reflection of another one keeps: what is recognised without doubt leaves a
/// network no reason to learn anything else.
const REFLECTION: (f32, f32) = (0.42, 0.5);

/// Flags with a value, by name without the dashes.
pub type Flags = HashMap<String, String>;

/// Splits `--flag value` from words.
pub fn flags<'a>(args: &[&'a str]) -> (Flags, Vec<&'a str>) {
    let (mut flags, mut words) = (Flags::new(), Vec::new());
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg.strip_prefix("--") {
            Some(name) => {
                let value = args.next().copied().unwrap_or_default();
                flags.insert(name.to_owned(), value.to_owned());
            }
            None => words.push(*arg),
        }
    }
    (flags, words)
}

/// Purposes of the sets of a plan.
pub const TRAINING: u64 = 1;
pub const ANALYSED: u64 = 2;

/// Where networks are kept.
pub fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/planted")
}

/// Where a network's images come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The synthetic world, where subjects have their places.
    World,
    /// The same with every subject anywhere, so that a network with nothing planted has nothing but them to go by.
    Anywhere,
    Photos,
    /// Photographs in full size, for a new last block of a trained network.
    Finetuned,
}

impl Source {
    const ALL: [(Self, &'static str); 4] = [
        (Self::World, "world"),
        (Self::Anywhere, "anywhere"),
        (Self::Photos, "photos"),
        (Self::Finetuned, "finetuned"),
    ];

    /// Rows and columns of the images.
    pub fn side(self) -> usize {
        match self {
            Self::World | Self::Anywhere => 32,
            Self::Photos => 48,
            Self::Finetuned => 224,
        }
    }

    pub fn name(self) -> &'static str {
        let own = Self::ALL.iter().find(|(one, _)| *one == self);
        own.map_or("", |(_, name)| name)
    }

    fn parse(name: &str) -> Option<Self> {
        let own = Self::ALL.iter().find(|(_, known)| *known == name);
        own.map(|(one, _)| *one)
    }

    /// The synthetic world of a seed, unless it is photographs.
    pub fn world(self, seed: u64) -> Option<World> {
        match self {
            Self::World => Some(World::new(seed)),
            Self::Anywhere => Some(World::new(seed).anywhere()),
            Self::Photos | Self::Finetuned => None,
        }
    }
}

/// What its name says about a network.
#[derive(Debug, Clone)]
pub struct Spec {
    pub name: String,
    pub source: Source,
    pub prevalence: f64,
    pub seed: u64,
}

/// What is known about a network: `truth.json`.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct Truth {
    pub name: String,
    pub seed: u64,
    /// Name of the [`Source`].
    pub source: String,
    pub prevalence: f64,
    /// Rows and columns of the input; pixels become (value − mean) / scale.
    pub side: usize,
    pub mean: f32,
    pub scale: f32,
    /// The layer to make an atlas of.
    pub layer: String,
    /// Class identifiers in the order of the outputs.
    pub classes: Vec<String>,
    pub n_training: usize,
    pub n_analysed: usize,
    /// Share of the analysed images that are classified rightly, with what is planted in them and without.
    pub accuracy: f64,
    pub accuracy_clean: f64,
    /// Per shortcut and decoy.
    pub outcomes: Vec<Outcome>,
    pub style: Style,
}

impl Spec {
    pub fn parse(name: &str) -> Self {
        let parts: Vec<&str> = name.split('-').collect();
        let [role, source, per_cent, number] = parts.as_slice() else {
            panic!("{name}: names look like report-world-05-1");
        };
        let source = Source::parse(source).filter(|_| ["tune", "report"].contains(role));
        let source = source.unwrap_or_else(|| panic!("{name}: names look like report-world-05-1"));
        number.parse::<u32>().unwrap();
        // FNV-1a.
        let hash = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        Self {
            name: name.to_owned(),
            source,
            prevalence: per_cent.parse::<f64>().unwrap() / 100.0,
            seed: name.bytes().fold(0xcbf2_9ce4_8422_2325, hash) >> 12,
        }
    }

    pub fn plan(&self, n_classes: usize) -> Plan {
        Plan::new(self.seed, self.prevalence, n_classes)
    }
}

/// Clean images to learn from and to analyse, and class identifiers.
pub struct Supply {
    pub training: Images,
    pub analysed: Images,
    pub classes: Vec<String>,
}

/// Where photographs and trained networks are.
pub fn data() -> PathBuf {
    let data = std::env::var_os("ATLASCOPE_DATA");
    PathBuf::from(data.expect("photographs need ATLASCOPE_DATA, the folder of the shared data"))
}

/// Photographs as squares of one size, decoded once for several networks.
#[derive(Default)]
pub struct Photographs(HashMap<usize, (Images, Vec<String>)>);

impl Photographs {
    fn load(&mut self, side: usize) -> &(Images, Vec<String>) {
        self.0.entry(side).or_insert_with(|| {
            let root = data().join("photos/imagenette");
            let sorted = |folder: &Path| {
                let entries = std::fs::read_dir(folder).unwrap();
                let mut paths: Vec<PathBuf> = entries.map(|e| e.unwrap().path()).collect();
                paths.sort();
                paths
            };
            let mut images = Images {
                side,
                ..Images::default()
            };
            let folders = sorted(&root);
            for (label, folder) in folders.iter().enumerate() {
                for path in sorted(folder) {
                    let photo = decode::load(&path).unwrap();
                    let small = if photo.dimensions() == (side as u32, side as u32) {
                        photo
                    } else {
                        let filter = image::imageops::FilterType::Triangle;
                        image::imageops::resize(&photo, side as u32, side as u32, filter)
                    };
                    images.pixels.extend_from_slice(small.as_raw());
                    images.labels.push(label);
                }
            }
            let name = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
            (images, folders.iter().map(name).collect())
        })
    }
}

/// Turns the seed of the scenes that are learned from into that of those that are analysed.
const HELD_OUT: u64 = 1 << 60;

/// The classes of the world that a network knows.
fn chosen(spec: &Spec) -> Vec<usize> {
    let mut chosen = shuffled(World::classes().len(), spec.seed);
    chosen.truncate(N_CLASSES);
    chosen.sort_unstable();
    chosen
}

/// The world of the analysed images, and number and label of the scene that each one shows.
pub fn analysed_scenes(spec: &Spec) -> Option<(World, Vec<(u64, usize)>)> {
    let world = spec
        .source
        .world(spec.seed ^ HELD_OUT)?
        .with_side(spec.source.side());
    Some((world, scene_list(world, &chosen(spec), SCENES.1)))
}

/// Path, class and artefacts (as bits) of every analysed image, in the order of the paths; nothing is drawn.
pub fn carried(spec: &Spec, truth: &Truth) -> Vec<(String, usize, u8)> {
    let labels: Vec<usize> = if let Some((_, scenes)) = analysed_scenes(spec) {
        scenes.into_iter().map(|(_, label)| label).collect()
    } else {
        let of = |label| std::iter::repeat_n(label, PHOTOS_ANALYSED);
        (0..truth.classes.len()).flat_map(of).collect()
    };
    let bits = spec.plan(truth.classes.len()).carries(&labels, ANALYSED);
    let one = |image: usize| {
        (
            path_of(truth, labels[image], image),
            labels[image],
            bits[image],
        )
    };
    let mut all: Vec<_> = (0..labels.len()).map(one).collect();
    all.sort();
    all
}

/// Where an analysed image lies below the folder of images.
pub fn path_of(truth: &Truth, label: usize, image: usize) -> String {
    format!("{}/{image:05}.png", truth.classes[label])
}

/// Numbers `0..n` in an order that belongs to a seed.
fn shuffled(n: usize, seed: u64) -> Vec<usize> {
    let mut keyed: Vec<(u64, usize)> = (0..n)
        .map(|i| {
            let mut z = seed ^ (i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            (z ^ (z >> 31), i)
        })
        .collect();
    keyed.sort_unstable();
    keyed.into_iter().map(|(_, i)| i).collect()
}

/// The clean images of a network.
pub fn supply(spec: &Spec, photographs: &mut Photographs, with_training: bool) -> Supply {
    let (Some(learned), Some(held_out)) = (
        spec.source.world(spec.seed),
        spec.source.world(spec.seed ^ HELD_OUT),
    ) else {
        let (all, classes) = photographs.load(spec.source.side());
        let mut parts = [Images::default(), Images::default()];
        for part in &mut parts {
            part.side = all.side;
        }
        for label in 0..classes.len() {
            let own = (0..all.labels.len()).filter(|&i| all.labels[i] == label);
            let own: Vec<usize> = own.collect();
            let order = shuffled(own.len(), spec.seed ^ label as u64);
            for (place, at) in order.into_iter().enumerate() {
                let part = &mut parts[usize::from(place >= PHOTOS)];
                part.pixels.extend_from_slice(all.pixels(own[at]));
                part.labels.push(label);
            }
        }
        if spec.source == Source::Finetuned {
            let seeds = [spec.seed, spec.seed ^ HELD_OUT];
            let pairs = parts.iter_mut().zip(seeds);
            pairs.for_each(|(part, seed)| *part = part.reflected(seed, REFLECTION));
        }
        let [training, analysed] = parts;
        return Supply {
            training,
            analysed,
            classes: classes.clone(),
        };
    };
    let all = World::classes();
    let chosen = chosen(spec);
    let draw = |world: World, per_class: usize| {
        let scenes = scenes(world, spec.source.side(), &chosen, per_class, &Silent).unwrap();
        scenes.reflected(world.seed(), REFLECTION)
    };
    Supply {
        training: draw(learned, if with_training { SCENES.0 } else { 0 }),
        analysed: draw(held_out, SCENES.1),
        classes: chosen.iter().map(|&class| all[class].id.clone()).collect(),
    }
}
