// English. The keys of this catalogue are those of every other.
export const en = {
  "units.needed": "{units, plural, one {# more} other {# more}}",
};
