//! What holds the source together: which module may use which, how large things may get, words
//! that say nothing, pages that say what is true, and notices of all that is built in.

mod arrows;
mod errors;
mod links;
mod notices;
mod reference;
mod sizes;
mod source;
mod words;
