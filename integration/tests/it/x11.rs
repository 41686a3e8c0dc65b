//! Real X servers: a real terminal, a real ESC key, a screen that changes its size.
