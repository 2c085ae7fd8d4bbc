// The files the CRM puts out every night: partners and client accounts.
import { type Answer, json, type Question, text, unlessKnown } from "./answer.ts";
import type { World } from "./world.ts";

/** Tells a reader whether the file is whole. */
const rowCount = "x-total-count";

export function answerExport(world: World, question: Question): Answer {
  const { method, path } = question;
  const answer = method === "GET" ? exportOf(world, path) : undefined;
  return answer === undefined
    ? json({ error: `there is no export ${path}` }, 404)
    : unlessKnown(question, answer);
}

function exportOf(world: World, path: string): Answer | undefined {
  switch (path) {
    case "partners.csv":
      return table(
        ["crm_id", "company", "status", "registered_on", "profile", "profile_checked_on"],
        world.registrations.map((row) => [
          row.crm,
          row.company,
          row.status,
          row.registeredOn,
          row.profile,
          row.profileCheckedOn,
        ]),
      );
    case "accounts.csv":
      return table(
        ["account_id", "account", "partner_crm_id", "opened_on", "closed_on", "status"],
        world.clientAccounts.map((row) => [
          row.key,
          row.name,
          row.crm,
          row.openedOn,
          row.closedOn ?? "",
          row.closedOn === undefined ? "active" : "closed",
        ]),
      );
    default:
      return undefined;
  }
}

/** As office programs write it: a byte-order mark, CRLF, quotes where they are needed. */
function table(head: string[], rows: string[][]): Answer {
  const cell = (value: string) => (/[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);
  const lines = [head, ...rows].map((row) => `${row.map(cell).join(",")}\r\n`);
  const answer = text(`\uFEFF${lines.join("")}`, 200, "text/csv");
  return { ...answer, headers: { ...answer.headers, [rowCount]: String(rows.length) } };
}
