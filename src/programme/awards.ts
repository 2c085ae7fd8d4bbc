// Awards as SQL: units become points, gates keep points back, and categories cap them.
import { type SQL, sql } from "drizzle-orm";
import type { Award, Programme } from "./document.ts";

/** The points, int4, that units (a numeric) award by themselves. */
export function pointsFor(award: Award, units: SQL): SQL {
  switch (award.type) {
    case "points": {
      const comparison = award.threshold.comparison === "at-least" ? sql`>=` : sql`>`;
      return sql`case when ${units} ${comparison} ${numeric(award.threshold.units)} then ${award.points}::int else 0 end`;
    }
    case "each":
      // Bounded before it becomes an int4: units have no bound.
      return sql`least(greatest(floor(${units}), 0) * ${award.points}::int, ${award.cap}::int)::int`;
    case "tiers": {
      const highestFirst = [...award.tiers].sort((a, b) => b.atLeast - a.atLeast);
      const cases = highestFirst.map(
        (tier) => sql`when ${units} >= ${numeric(tier.atLeast)} then ${tier.points}::int`,
      );
      return sql`case ${sql.join(cases, sql` `)} else 0 end`;
    }
    case "share":
      return sql`least(div(greatest(${units}, 0) * ${award.points}::int, ${numeric(award.target)}), ${award.points}::int)::int`;
  }
}

/** As the decimal that was written: a float8 would not be it. */
function numeric(value: number): SQL {
  return sql`${String(value)}::numeric`;
}

/**
 * The points of every achievement, in document order, after gates and caps; `own` are what they award by themselves. A gate
 * asks whether the required achievement, and all that it requires, award points of their own. Of a category, the
 * achievements are filled in document order until the cap is reached.
 */
export function keepWithinRules(programme: Programme, own: SQL[]): SQL[] {
  const { achievements, categories } = programme;
  const index = new Map(achievements.map(({ key }, position) => [key, position]));
  const passed = achievements.map((achievement, position) => {
    const gates = requirements(programme, achievement.key).map((key) => own[index.get(key) ?? position]);
    if (gates.length === 0) return own[position] ?? sql`0`;
    const open = sql.join(
      gates.map((gate) => sql`${gate} > 0`),
      sql` and `,
    );
    return sql`case when ${open} then ${own[position]} else 0 end`;
  });
  const caps = new Map(categories.map(({ key, cap }) => [key, cap]));
  return achievements.map(({ category }, position) => {
    const points = passed[position] ?? sql`0`;
    const cap = category === undefined ? undefined : caps.get(category);
    if (cap === undefined) return points;
    const earlier = passed.filter(
      (_, other) => other < position && achievements[other]?.category === category,
    );
    const left = sql.join([sql`${cap}::int`, ...earlier], sql` - `);
    return sql`least(${points}, greatest(${left}, 0))`;
  });
}

/** The keys of everything an achievement requires, directly or by way of others. Without circles: the document has none. */
export function requirements({ achievements }: Pick<Programme, "achievements">, key: string): string[] {
  const found = new Set<string>();
  const add = (one: string) => {
    for (const required of achievements.find((achievement) => achievement.key === one)?.requires ?? []) {
      if (!found.has(required)) {
        found.add(required);
        add(required);
      }
    }
  };
  add(key);
  return [...found];
}
