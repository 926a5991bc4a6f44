//! Reading, writing, exporting atlases.

use atlascope::atlas::Atlas;
use atlascope::atlas::sample::{SampleSpec, atlas};
use atlascope::store::{self, Error};
use std::path::Path;

/// Every cell has an icon, so that no score is NaN and `==` means equal.
fn small() -> Atlas {
    atlas(&SampleSpec {
        min_samples: 1,
        n_samples: 400,
        n_images: 90,
        ..SampleSpec::default()
    })
}

#[test]
fn what_is_written_is_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.atlas");
    let specs = [
        SampleSpec::default(),
        SampleSpec {
            n_classes: 0,
            ..SampleSpec::default()
        },
        SampleSpec {
            keep_activations: true,
            n_images: 70_000,
            grids: vec![3, 20, 40],
            ..SampleSpec::default()
        },
        SampleSpec {
            n_samples: 1,
            n_images: 1,
            icon_size: 1,
            ..SampleSpec::default()
        },
        SampleSpec {
            n_classes: 300,
            depth: 100,
            n_samples: 5000,
            ..SampleSpec::default()
        },
    ];
    for spec in specs {
        let made = atlas(&SampleSpec {
            min_samples: 1,
            ..spec
        });
        store::write(&path, &made).unwrap();
        assert_eq!(store::read(&path).unwrap(), made);
    }
}
