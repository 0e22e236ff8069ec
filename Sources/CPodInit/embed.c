#include "CPodInit.h"

// SwiftPM can't link a static executable without its own runtime, so the Makefile builds podinit.bin first and it is
// embedded here.
#if defined(__has_embed) && __has_embed("podinit.bin")
static const unsigned char image[] = {
#embed "podinit.bin"
};
size_t swl_podinit_image_size(void) { return sizeof image; }
#else
static const unsigned char image[] = {0};
size_t swl_podinit_image_size(void) { return 0; }
#endif

// Swift does not import arrays of this size.
const void *swl_podinit_image(void) { return image; }
