/**
 * Folders in an app that belong to tools: they are neither watched, nor packed, nor copied, nor looked into for
 * changes. (`node_modules` has rules of its own besides.)
 */
export const SKIPPED_FOLDERS: ReadonlySet<string> = new Set([
  'node_modules',
  '.git',
  '.hg',
  '.svn',
  '.lambent',
  '__pycache__',
  '.venv',
  'venv',
  '.mypy_cache',
  '.pytest_cache',
  '.ruff_cache',
]);
