// German.
import type { en } from "./en.ts";

export const de: Record<keyof typeof en, string> = {
  "units.needed": "noch {units, plural, one {#} other {#}}",
};
