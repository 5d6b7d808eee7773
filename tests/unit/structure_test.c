/* Rules of essays and explanations, and intervals of what is counted. */
#include <criterion/criterion.h>

#include <string.h>

#include "harness/measure/structure.h"

#define ESSAY_LEAD "\"lead\": \"{ordinal}, {point}.\""

static const char given[] =
    "{\"title\": \"# Rivers\", \"points\": [\"fish\", \"boats\"], " ESSAY_LEAD "}";
static const char counted[] = "{\"title\": \"# Rivers\", \"points\": 2, " ESSAY_LEAD "}";
static const char steps[] =
    "{\"title\": \"# How a pump works\", \"points\": [\"inlet\", \"rotor\"], "
    "\"lead\": \"{number}. The {point} \"}";

static const char essay[] = "# Rivers\n\nThis essay has two points: fish and boats.\n\n"
                            "First, fish. They swim.\n\nSecond, boats. They float.\n\n"
                            "In short, rivers matter because of fish and boats.";
static const char explanation[] =
    "# How a pump works\n\nA pump moves water. It has two parts: the inlet and the rotor.\n\n"
    "1. The inlet lets it in.\n2. The rotor pushes it.\n\nSo the inlet and the rotor work.";

static dyno_status check(bool *holds, const char **why, const char *rule, const char *text)
{
  dyno_error error = {0};
  json_t *object = json_loads(rule, 0, NULL);
  cr_assert(object != NULL, "the test's rule is no JSON: %s", rule);
  dyno_status status = dyno_structure_check(holds, why, object, text, &error);
  cr_assert(status == DYNO_OK || strstr(error.message, "rule") != NULL, "%s", error.message);
  json_decref(object);
  return status;
}

static void holds(const char *rule, const char *text)
{
  bool right;
  const char *why;
  cr_assert(check(&right, &why, rule, text) == DYNO_OK && right && why[0] == '\0', "%s", why);
}

/* The text with `from` replaced by `to` breaks the rule, for this reason. */
static void breaks(const char *rule, const char *text, const char *from, const char *to,
                   const char *reason)
{
  char changed[1024];
  bool right;
  const char *why, *at = strstr(text, from);
  cr_assert(at != NULL, "the test's text has no '%s'", from);
  snprintf(changed, sizeof changed, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
  cr_assert(check(&right, &why, rule, changed) == DYNO_OK && !right, "it holds with '%s'", to);
  cr_assert(strstr(why, reason) != NULL, "'%s' is broken because %s", to, why);
}

Test(structure, what_is_built_right_passes)
{
  holds(given, essay);
  holds(counted, essay);
  holds(steps, explanation);
}

Test(structure, what_is_not_does_not)
{
  breaks(given, essay, "# Rivers", "# River", "title");
  breaks(given, essay, "fish and boats.\n", "boats and fish.\n", "other points");
  breaks(given, essay, "fish and boats.\n", "fish, oars and boats.\n", "another number");
  breaks(counted, essay, "fish and boats.\n", "fish and fish.\n", "twice");
  breaks(counted, essay, "fish and boats.\n", "fish and oars.\n", "begin with its point");
  breaks(given, essay, "Second, boats.", "Third, boats.", "begin with its point");
  breaks(given, essay, "They swim.\n\n", "They swim. ", "one passage for every point");
  breaks(given, essay, "because of fish and boats", "because of boats and fish", "conclusion");
  breaks(given, essay, "\n\nIn short, rivers matter because of fish and boats.", "", "passage");
  breaks(steps, explanation, "2. The rotor", "1. The rotor", "begin with its point");
  breaks(steps, explanation, "2. The rotor pushes it.", "", "one passage for every point");
}

Test(structure, a_malformed_rule_is_an_error)
{
  static const char *const rules[] = {
      "{}",
      "{\"title\": \"# A\", " ESSAY_LEAD "}",
      "{\"title\": \"# A\", \"points\": 0, " ESSAY_LEAD "}",
      "{\"title\": \"# A\", \"points\": 17, " ESSAY_LEAD "}",
      "{\"title\": \"# A\", \"points\": [1], " ESSAY_LEAD "}",
      "{\"title\": \"# A\", \"points\": 2}",
      "{\"title\": 3, \"points\": 2, " ESSAY_LEAD "}",
  };
  for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
    bool right;
    const char *why;
    cr_assert(check(&right, &why, rules[i], essay) == DYNO_ERROR_FORMAT, "%s passes", rules[i]);
  }
}
