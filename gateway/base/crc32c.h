/* CRC-32C (Castagnoli, RFC 3720 appendix B.4). */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Continues from `crc`; begin with 0. */
uint32_t fg_crc32c(uint32_t crc, const void *bytes, size_t len);
/* The same without special instructions. */
uint32_t fg_crc32c_table(uint32_t crc, const void *bytes, size_t len);
