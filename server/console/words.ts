/** Numbers and times as people read them. */

export const number = (n: number): string => n.toLocaleString('en');

/** A share with three decimals and no zero in front, as in the tables of the README. */
export const share = (x: number): string => x.toFixed(3).replace(/^0\./, '.');

/** With a fourth decimal where three would hide it. */
export function signedShare(x: number): string {
  const size = Math.abs(x);
  if (size < 0.00005) return '±0';
  return `${x < 0 ? '−' : '+'}${size < 0.001 ? size.toFixed(4).slice(1) : share(size)}`;
}

export const percent = (x: number): string => (x > 0 && x < 0.001 ? '< 0.1 %' : `${(x * 100).toFixed(1)} %`);

export const plural = (n: number, one: string, many = `${one}s`): string => `${number(n)} ${n === 1 ? one : many}`;

export function bytes(n: number): string {
  if (n < 1000) return plural(n, 'byte');
  const units = ['kB', 'MB', 'GB'];
  const unit = Math.min(units.length, Math.floor(Math.log10(n) / 3));
  return `${(n / 1000 ** unit).toPrecision(3)} ${units[unit - 1]}`;
}

export const when = (instant: string): string =>
  new Date(instant).toLocaleString('en-GB', { dateStyle: 'medium', timeStyle: 'short' });

export function duration(seconds: number): string {
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 100) return `${seconds.toFixed(1)} s`;
  return `${Math.round(seconds / 60)} min`;
}
