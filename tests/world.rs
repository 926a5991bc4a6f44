//! Tests of world.

use atlascope::images::world::World;

#[test]
fn sheet() {
    let Some(path) = std::env::var_os("SHEET") else {
        return;
    };
    let world = World::new(7);
    let start = std::time::Instant::now();
    let n = 160u64;
    let scenes: Vec<_> = (0..n).map(|i| world.scene(i)).collect();
    println!("{:?} per scene", start.elapsed() / n as u32);
    let mut order: Vec<usize> = (0..n as usize).collect();
    order.sort_by_key(|&i| scenes[i].class);
    let big = world.with_side(128);
    let mut sheet = image::RgbImage::new(10 * 130, 16 * 130);
    for (slot, &i) in order.iter().enumerate() {
        let scene = big.scene(i as u64);
        image::imageops::replace(
            &mut sheet,
            &scene.image,
            (slot % 10) as i64 * 130,
            (slot / 10) as i64 * 130,
        );
    }
    sheet.save(path).unwrap();
}

#[test]
fn train_it() {
    use atlascope::train;
    if std::env::var_os("TRAIN").is_none() {
        return;
    }
    struct P(std::time::Instant, std::sync::atomic::AtomicU64);
    impl atlascope::progress::Progress for P {
        fn begin(&self, name: &str, total: u64, _unit: &str) {
            println!("{:?} {name} {total}", self.0.elapsed());
        }
        fn advance(&self, n: u64) {
            let d = self.1.fetch_add(n, std::sync::atomic::Ordering::Relaxed);
            if d % 100 == 0 {
                println!("{:?} {d}", self.0.elapsed());
            }
        }
        fn note(&self, t: &str) {
            println!("{:?} {t}", self.0.elapsed());
        }
        fn cancelled(&self) -> bool {
            false
        }
    }
    let p = P(std::time::Instant::now(), 0.into());
    let mut recipe = train::TrainRecipe::default();
    if let Ok(e) = std::env::var("EPOCHS") {
        recipe.epochs = e.parse().unwrap();
    }
    let r = train::demo(
        &recipe,
        std::path::Path::new(&std::env::var("TRAIN").unwrap()),
        &p,
    )
    .unwrap();
    println!("{r:#?}");
}
