#include "harness/measure/structure.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_POINTS = 16, MOST_PARAGRAPHS = MOST_POINTS + 8, POINT_TEXT = 64, LEAD_TEXT = 160 };

static const char *const ordinals[MOST_POINTS] = {
    "First", "Second", "Third",    "Fourth",  "Fifth",      "Sixth",      "Seventh",   "Eighth",
    "Ninth", "Tenth",  "Eleventh", "Twelfth", "Thirteenth", "Fourteenth", "Fifteenth", "Sixteenth",
};

typedef struct rule {
  const char *title, *lead;
  char points[MOST_POINTS][POINT_TEXT];
  size_t point_count;
  bool named; /* the points are given, not only counted */
} rule;

static dyno_status bad_rule(const char *what, dyno_error *error)
{
  return dyno_fail(error, DYNO_ERROR_FORMAT, "rule of a held-out item: %s", what);
}

static dyno_status read_points(rule *r, const json_t *points, dyno_error *error)
{
  json_int_t count =
      json_is_array(points) ? (json_int_t)json_array_size(points) : json_integer_value(points);
  if (count < 1 || count > MOST_POINTS)
    return bad_rule("points: 1 to 16 words, or their number, are wanted", error);
  r->point_count = (size_t)count;
  r->named = json_is_array(points);
  for (size_t i = 0; r->named && i < r->point_count; i++) {
    const char *word = json_string_value(json_array_get(points, i));
    if (word == NULL || strlen(word) >= POINT_TEXT)
      return bad_rule("points: short texts are wanted", error);
    strcpy(r->points[i], word);
  }
  return DYNO_OK;
}

static dyno_status read_rule(rule *r, const json_t *object, dyno_error *error)
{
  *r = (rule){.title = json_string_value(json_object_get(object, "title")),
              .lead = json_string_value(json_object_get(object, "lead"))};
  if (r->title == NULL || r->lead == NULL)
    return bad_rule("title and lead, two texts, are wanted", error);
  return read_points(r, json_object_get(object, "points"), error);
}

/* A stretch of the text. */
typedef struct span {
  const char *text;
  size_t count;
} span;

static bool is(span s, const char *text)
{
  return strlen(text) == s.count && memcmp(s.text, text, s.count) == 0;
}

static bool begins(span s, const char *text)
{
  return strlen(text) <= s.count && memcmp(s.text, text, strlen(text)) == 0;
}

/* The text's parts between separators; returns how many, at most `most` + 1. */
static size_t split(span *parts, size_t most, span text, const char *separator)
{
  size_t count = 0, width = strlen(separator);
  const char *at = text.text, *end = text.text + text.count;
  while (count <= most) {
    const char *next = memmem(at, (size_t)(end - at), separator, width);
    if (count < most)
      parts[count] = (span){at, (size_t)((next != NULL ? next : end) - at)};
    count++;
    if (next == NULL)
      break;
    at = next + width;
  }
  return count;
}

/* "fish, boats and bridges" as points, without the articles. Returns how many; 0 when there are
 * too many, or one is too long. */
static size_t read_list(char points[MOST_POINTS][POINT_TEXT], span list)
{
  size_t count = 0;
  while (list.count > 0 && count < MOST_POINTS) {
    const char *comma = memmem(list.text, list.count, ", ", 2);
    const char *last = memmem(list.text, list.count, " and ", 5);
    const char *end = comma != NULL ? comma : last != NULL ? last : list.text + list.count;
    size_t step = comma != NULL ? 2 : last != NULL ? 5 : 0;
    span word = {list.text, (size_t)(end - list.text)};
    if (begins(word, "the "))
      word = (span){word.text + 4, word.count - 4};
    if (word.count == 0 || word.count >= POINT_TEXT)
      return 0;
    memcpy(points[count], word.text, word.count);
    points[count++][word.count] = '\0';
    list.count -= (size_t)(end - list.text) + step;
    list.text = end + step;
  }
  return list.count == 0 ? count : 0;
}

/* What the second paragraph names after its last colon. */
static span list_of(span paragraph)
{
  for (size_t i = paragraph.count; i > 1; i--)
    if (paragraph.text[i - 2] == ':' && paragraph.text[i - 1] == ' ') {
      span list = {paragraph.text + i, paragraph.count - i};
      if (list.count > 0 && list.text[list.count - 1] == '.')
        list.count--;
      return list;
    }
  return (span){paragraph.text, 0};
}

/* Takes the points from the introduction, or compares them with the rule's. */
static const char *check_introduction(rule *r, span paragraph)
{
  char found[MOST_POINTS][POINT_TEXT];
  size_t count = read_list(found, list_of(paragraph));
  if (count != r->point_count)
    return "the introduction names another number of points";
  for (size_t i = 0; i < count; i++) {
    if (r->named && strcmp(found[i], r->points[i]) != 0)
      return "the introduction names other points";
    for (size_t j = 0; j < i; j++)
      if (strcmp(found[i], found[j]) == 0)
        return "the introduction names a point twice";
    strcpy(r->points[i], found[i]);
  }
  return "";
}

/* The lead for point i, its placeholders replaced. */
static void make_lead(char lead[LEAD_TEXT], const rule *r, size_t i)
{
  char number[24];
  snprintf(number, sizeof number, "%zu", i + 1);
  const struct {
    const char *name, *text;
  } holders[] = {{"{ordinal}", ordinals[i]}, {"{number}", number}, {"{point}", r->points[i]}};
  size_t length = 0;
  for (const char *at = r->lead; *at != '\0' && length + 1 < LEAD_TEXT;) {
    const char *text = NULL;
    for (size_t h = 0; h < sizeof holders / sizeof *holders && text == NULL; h++)
      if (strncmp(at, holders[h].name, strlen(holders[h].name)) == 0) {
        text = holders[h].text;
        at += strlen(holders[h].name);
      }
    if (text == NULL)
      lead[length++] = *at++;
    else
      length += (size_t)snprintf(lead + length, LEAD_TEXT - length, "%s", text);
    if (length >= LEAD_TEXT)
      length = LEAD_TEXT - 1;
  }
  lead[length] = '\0';
}

static const char *check_passages(const rule *r, const span *passages, size_t count)
{
  if (count != r->point_count)
    return "there is not one passage for every point";
  for (size_t i = 0; i < count; i++) {
    char lead[LEAD_TEXT];
    make_lead(lead, r, i);
    if (!begins(passages[i], lead) || passages[i].count <= strlen(lead))
      return "a passage does not begin with its point";
  }
  return "";
}

static const char *check_conclusion(const rule *r, span paragraph)
{
  const char *at = paragraph.text, *end = at + paragraph.count;
  for (size_t i = 0; i < r->point_count; i++) {
    at = memmem(at, (size_t)(end - at), r->points[i], strlen(r->points[i]));
    if (at == NULL)
      return "the conclusion does not repeat the points in their order";
    at += strlen(r->points[i]);
  }
  return "";
}

static const char *check_text(rule *r, const char *text)
{
  span paragraphs[MOST_PARAGRAPHS], lines[MOST_POINTS + 1];
  size_t count = split(paragraphs, MOST_PARAGRAPHS, (span){text, strlen(text)}, "\n\n");
  if (count < 4 || count > MOST_PARAGRAPHS)
    return "title, introduction, body and conclusion are wanted";
  if (!is(paragraphs[0], r->title))
    return "the title is another";
  const char *why = check_introduction(r, paragraphs[1]);
  if (why[0] == '\0' && strstr(r->lead, "{number}") != NULL) {
    size_t steps = count == 4 ? split(lines, MOST_POINTS, paragraphs[2], "\n") : 0;
    why = check_passages(r, lines, steps);
  } else if (why[0] == '\0') {
    why = check_passages(r, paragraphs + 2, count - 3);
  }
  return why[0] == '\0' ? check_conclusion(r, paragraphs[count - 1]) : why;
}

dyno_status dyno_structure_check(bool *holds, const char **why, const json_t *object,
                                 const char *text, dyno_error *error)
{
  rule r;
  *holds = false;
  *why = "";
  dyno_status status = read_rule(&r, object, error);
  if (status != DYNO_OK)
    return status;
  *why = check_text(&r, text);
  *holds = (*why)[0] == '\0';
  return DYNO_OK;
}
