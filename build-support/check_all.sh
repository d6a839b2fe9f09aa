# Sourced by ./pants check-all: what must be clean before a commit. Formats, then lints, then types.
# ./pants check-all --check changes nothing and fails where a file is not formatted (CI).
if [ "${1:-}" = --check ]; then
  tool ruff format --check --quiet .
  tool ruff check --quiet .
else
  tool ruff format --quiet .
  tool ruff check --quiet --fix .
fi
# Visibility is judged when dependencies are resolved; `test` alone would not notice.
pants dependencies :: >/dev/null
pants check ::
