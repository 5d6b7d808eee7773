/* Text inside HTML and XML. */
#ifndef DYNO_HARNESS_REPORT_MARKUP_H
#define DYNO_HARNESS_REPORT_MARKUP_H

#include <stdio.h>

/* Writes UTF-8 text so that it is nothing but text, in an element and in a quoted attribute: the
 * five characters that mean something become entities. What XML has no room for (control
 * characters, U+FFFE, U+FFFF, bytes that are no UTF-8) becomes U+FFFD, and so do the controls of
 * writing direction, which can make a text look like another. NULL writes nothing. */
void dyno_markup_text(FILE *stream, const char *text);

/* The same for Markdown: punctuation that means something there becomes a character reference,
 * line breaks become spaces. */
void dyno_markdown_text(FILE *stream, const char *text);

#endif
