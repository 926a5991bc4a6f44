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
