#pragma once
#include <stddef.h>

/// The static supervisor binary (Sources/PodInit) as the Makefile built it; length 0 where it was not built.
const void *swl_podinit_image(void);
size_t swl_podinit_image_size(void);
