// compiled.mjs: the compiled copy of a clone's sources.
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import { bringUpToDate } from "../../compiled.mjs";

const project = fileURLToPath(new URL("../../", import.meta.url));
let clone: string;

beforeEach(() => {
  clone = mkdtempSync(join(tmpdir(), "standings-clone-"));
  mkdirSync(join(clone, "node_modules"));
  symlinkSync(join(project, "node_modules", "typescript"), join(clone, "node_modules", "typescript"));
  for (const file of ["tsconfig.json", "compiled.mjs"]) {
    writeFileSync(join(clone, file), readFileSync(join(project, file)));
  }
  for (const folder of ["src", "workers", "db", "examples"]) mkdirSync(join(clone, folder));
  put("src/a.ts", 'import { b } from "./rooms/b.ts";\nexport const a: number = b + 1;\n');
  put("src/rooms/b.ts", "export const b: number = 1;\n");
  put("db/migrations/0000.sql", "select 1;\n");
});
afterEach(() => {
  rmSync(clone, { recursive: true, force: true });
});

function put(path: string, text: string): void {
  mkdirSync(dirname(join(clone, path)), { recursive: true });
  writeFileSync(join(clone, path), text);
}

function compile(): string {
  const folder = bringUpToDate(clone);
  if (folder === undefined) throw new Error("the compiled files could not be kept");
  return folder;
}

async function valueOfA(folder: string): Promise<unknown> {
  // Node.js keeps modules by their address.
  const fresh = mkdtempSync(join(clone, "copy-"));
  for (const path of ["src/a.js", "src/rooms/b.js", "package.json"]) {
    mkdirSync(dirname(join(fresh, path)), { recursive: true });
    writeFileSync(join(fresh, path), readFileSync(join(folder, path)));
  }
  const module = (await import(join(fresh, "src/a.js"))) as { a: unknown };
  return module.a;
}

test("The sources are compiled with imports that lead to compiled files, and other files are copied.", async () => {
  const folder = compile();
  expect(await valueOfA(folder)).toBe(2);
  expect(readFileSync(join(folder, "db/migrations/0000.sql"), "utf8")).toBe("select 1;\n");
});

test("A changed file is compiled again, and only that one.", async () => {
  const folder = compile();
  writeFileSync(join(folder, "src/a.js"), "export const a = 'not compiled again';\n");
  put("src/rooms/b.ts", "export const b: number = 10;\n");
  compile();
  expect(await valueOfA(folder)).toBe("not compiled again");
  utimesSync(join(clone, "src/a.ts"), new Date(0), new Date(0));
  compile();
  expect(await valueOfA(folder)).toBe(11);
});

test("The output of a removed source is removed.", () => {
  const folder = compile();
  rmSync(join(clone, "src/rooms/b.ts"));
  compile();
  expect(readdirSync(join(folder, "src/rooms"))).toEqual([]);
});

test("Other compiler settings compile everything again.", async () => {
  const folder = compile();
  writeFileSync(join(folder, "src/a.js"), "export const a = 'old';\n");
  const settings = readFileSync(join(clone, "tsconfig.json"), "utf8");
  writeFileSync(join(clone, "tsconfig.json"), `${settings}\n`);
  compile();
  expect(await valueOfA(folder)).toBe(2);
});

test("There is no folder where the files cannot be kept.", () => {
  writeFileSync(join(clone, "node_modules", ".cache"), "a file is in the way");
  expect(bringUpToDate(clone)).toBeUndefined();
});
