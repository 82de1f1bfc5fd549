// Days of the field's time zone.
const ZONE = 'Asia/Ho_Chi_Minh';

/** Today, `YYYY-MM-DD`. */
export const today = (): string => new Intl.DateTimeFormat('sv-SE', { timeZone: ZONE }).format(new Date());

/** A day so many days later, or earlier. */
export function plusDays(day: string, days: number): string {
  const at = new Date(`${day}T12:00:00Z`);
  at.setUTCDate(at.getUTCDate() + days);
  return at.toISOString().slice(0, 10);
}

/** The calendar month of a day, `YYYY-MM`. */
export const monthOf = (day: string): string => day.slice(0, 7);

/** A month so many months later, or earlier. */
export function plusMonths(month: string, months: number): string {
  const [year = 0, number = 1] = month.split('-').map(Number);
  const at = new Date(Date.UTC(year, number - 1 + months, 1));
  return at.toISOString().slice(0, 7);
}
