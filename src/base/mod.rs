//! The lower layer: immutable trees and blobs of one workspace's repository, loaded when touched.
//!
//! Must not know: the overlay. Leaves the seam for blobless hydration: every read may one day wait
//! for the network, so callers hold no lock that a writer needs beyond a local disk read.
