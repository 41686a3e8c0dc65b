//! A novice whose terminal lies on the shared desktop: the expert can type into it, and gets nothing by it.
