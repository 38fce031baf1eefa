// Times in words.

/** Rounded as the value itself is: "about 4 min" of something that takes minutes. */
export function roughly(seconds: number): string {
  if (seconds < 10) return "a few seconds";
  if (seconds < 90) return `about ${10 * Math.round(seconds / 10)} s`;
  return `about ${spell(60 * Math.round(seconds / 60))}`;
}

/** What was measured: "0.4 s", "42 s", "3 min 05 s", "1 h 20 min". */
export function spell(seconds: number): string {
  if (seconds < 10) return `${Math.max(seconds, 0).toFixed(1)} s`;
  const whole = Math.round(seconds);
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  if (hours) return `${hours} h ${minutes} min`;
  return minutes ? `${minutes} min${rest ? ` ${String(rest).padStart(2, "0")} s` : ""}` : `${rest} s`;
}
