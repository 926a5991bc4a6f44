//! Atlas to and from one .atlas file; the only place that knows the format.
