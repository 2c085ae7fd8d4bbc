// What is in a message: JSON, or a form read as the tree its names spell (data[list_id]=1 is { data: { list_id: "1" } }).

type Kind = "json" | "form";

const MOST_FIELDS = 1000;
const DEEPEST = 8;

/** By its headers; undefined: it is nothing that is read here. */
export function kindOf(type: string | undefined, encoding: string | undefined): Kind | undefined {
  if (encoding !== undefined && encoding.toLowerCase() !== "identity") return undefined;
  const [media = ""] = (type ?? "").split(";");
  const name = media.trim().toLowerCase();
  if (/^application\/([a-z0-9.!#$&^_-]+\+)?json$/.test(name)) return "json";
  return name === "application/x-www-form-urlencoded" ? "form" : undefined;
}

/**
 * The content, and as JSON in one form, whatever escapes its sender uses: what is to be erased is found in it. undefined: the body
 * is not of its kind, or deeper than JSON can be written again.
 */
export function readContent(kind: Kind, body: Buffer): { value: unknown; text: string } | undefined {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(body);
    const value: unknown = kind === "json" ? JSON.parse(text) : readForm(text);
    return value === undefined ? undefined : { value, text: JSON.stringify(value) };
  } catch {
    return undefined;
  }
}

interface Tree {
  [key: string]: string | Tree;
}

/** undefined: it has more fields than any message has, or none. Of two values of one name the later counts. */
function readForm(text: string): Tree | undefined {
  const fields = [...new URLSearchParams(text)];
  if (fields.length === 0 || fields.length > MOST_FIELDS) return undefined;
  // Without a prototype, so that a field of any name is a field and nothing else.
  const root = Object.create(null) as Tree;
  for (const [name, value] of fields) {
    const [first = "", ...inner] = name.split("[").map((step) => step.replace(/\]$/, ""));
    const path = [first, ...inner].slice(0, DEEPEST);
    const last = path.pop() ?? "";
    let at = root;
    for (const step of path) {
      const there = at[step];
      const next: Tree = typeof there === "object" ? there : (Object.create(null) as Tree);
      at[step] = next;
      at = next;
    }
    at[last] = value;
  }
  return root;
}
