// How it looks: theme, text size, contrast. Kept on the device, put on the root element.

export type Theme = 'auto' | 'light' | 'dark';
export type Size = 'normal' | 'large' | 'huge';

const THEME = 'thonso.theme';
const SIZE = 'thonso.size';
const CONTRAST = 'thonso.contrast';
const SCALE: Record<Size, string> = { normal: '1', large: '1.15', huge: '1.3' };

const oneOf = <T extends string>(value: string | null, all: readonly T[], or: T): T =>
  all.find((known) => known === value) ?? or;

export const looks = $state<{ theme: Theme; size: Size; contrast: boolean }>({
  theme: oneOf(localStorage.getItem(THEME), ['auto', 'light', 'dark'], 'auto'),
  size: oneOf(localStorage.getItem(SIZE), ['normal', 'large', 'huge'], 'normal'),
  contrast: localStorage.getItem(CONTRAST) === 'high',
});

const dark = matchMedia('(prefers-color-scheme: dark)');
dark.addEventListener('change', applyLooks);

/** Puts the choices on the page. */
export function applyLooks(): void {
  const root = document.documentElement;
  root.dataset.theme = looks.theme === 'auto' ? (dark.matches ? 'dark' : 'light') : looks.theme;
  root.dataset.contrast = looks.contrast ? 'high' : 'normal';
  root.style.setProperty('--scale', SCALE[looks.size]);
}

/** Changes them, at once and for good. */
export function setLooks(change: Partial<typeof looks>): void {
  Object.assign(looks, change);
  localStorage.setItem(THEME, looks.theme);
  localStorage.setItem(SIZE, looks.size);
  localStorage.setItem(CONTRAST, looks.contrast ? 'high' : 'normal');
  applyLooks();
}
