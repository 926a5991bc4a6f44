//! InceptionV1 (GoogLeNet) with the BVLC weights.
