//! Another implementation on the far side: FreeRDP as the expert, and as the novice.
