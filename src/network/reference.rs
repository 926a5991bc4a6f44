//! Running the graph with plain candle operators.
