#pragma once
#include <stddef.h>

/// The static supervisor binary (Sources/PodInit) as the Makefile built it; length 0 where it was not built.
extern const unsigned char swl_podinit_image[];
extern const size_t swl_podinit_image_size;
