/** Light, dark, or as the system has it: remembered in this browser. */

export type Theme = 'system' | 'light' | 'dark';
const KEY = 'lambent-theme';

export function readTheme(): Theme {
  const stored = localStorage.getItem(KEY);
  return stored === 'light' || stored === 'dark' ? stored : 'system';
}

export function applyTheme(theme: Theme = readTheme()): void {
  if (theme === 'system') {
    localStorage.removeItem(KEY);
    delete document.documentElement.dataset.theme;
  } else {
    localStorage.setItem(KEY, theme);
    document.documentElement.dataset.theme = theme;
  }
}

/** The theme that a person means by "the other one". */
export function otherTheme(): Theme {
  const isDark =
    readTheme() === 'dark' ||
    (readTheme() === 'system' && matchMedia('(prefers-color-scheme: dark)').matches);
  return isDark ? 'light' : 'dark';
}
