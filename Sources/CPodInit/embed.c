#include "CPodInit.h"

// SwiftPM can't link a freestanding executable, so the Makefile builds podinit.bin first and it is embedded here.
#if defined(__has_embed) && __has_embed("podinit.bin")
const unsigned char swl_podinit_image[] = {
#embed "podinit.bin"
};
const size_t swl_podinit_image_size = sizeof swl_podinit_image;
#else
const unsigned char swl_podinit_image[] = {0};
const size_t swl_podinit_image_size = 0;
#endif
