//! Meeting by a spoken code.
