/* Quantities as people read them: three significant digits and a unit.
 *
 * Times are in seconds, sizes in bytes (powers of 1024: KiB), rates per second (powers of 1000:
 * GB/s). NaN becomes "n/a". Text is always terminated; thread-safe. */
#ifndef DYNO_HARNESS_REPORT_UNITS_H
#define DYNO_HARNESS_REPORT_UNITS_H

#include <stddef.h>

#define DYNO_UNIT_TEXT 32

/* "412 ns", "1.53 ms", "2.10 s", "3 min 05 s", "2 h 07 min". */
void dyno_format_seconds(char text[DYNO_UNIT_TEXT], double seconds);

/* "512 B", "4.20 MiB". */
void dyno_format_bytes(char text[DYNO_UNIT_TEXT], double bytes);

/* A rate with its unit, "B/s" or "MAC/s": "28.4 GB/s", "233 GMAC/s". */
void dyno_format_rate(char text[DYNO_UNIT_TEXT], double per_second, const char *unit);

/* A plain number of three significant digits: "28.4", "0.0213", "1234". */
void dyno_format_number(char text[DYNO_UNIT_TEXT], double value);

/* A fraction as a percentage: "87.3 %". */
void dyno_format_share(char text[DYNO_UNIT_TEXT], double fraction);

#endif
