//! Through tmux to the terminal around it.

/// Wraps `sequence` so that tmux hands it on (`allow-passthrough`) instead of reading it: every escape character is
/// doubled.
pub fn through_tmux(out: &mut Vec<u8>, sequence: &[u8]) {
    out.extend_from_slice(b"\x1bPtmux;");
    for &byte in sequence {
        if byte == 0x1b {
            out.push(0x1b);
        }
        out.push(byte);
    }
    out.extend_from_slice(b"\x1b\\");
}
