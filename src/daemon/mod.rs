//! The daemon: the dispatcher decides, the loop acts.
