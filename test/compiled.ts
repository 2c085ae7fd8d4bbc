// The compiled copy of the sources: child processes of tests start from it, as loading the TypeScript takes seconds.
import { fileURLToPath, pathToFileURL } from "node:url";
import { bringUpToDate } from "../compiled.mjs";

const root = fileURLToPath(new URL("../", import.meta.url));

/** The folder of the compiled sources. */
export function compiledFolder(): string {
  const folder = bringUpToDate(root);
  if (folder === undefined) throw new Error(`cannot write below ${root}node_modules/.cache`);
  return folder;
}

/** The URL of a compiled module, such as "db/client.ts". */
export function compiledUrl(path: string): string {
  return pathToFileURL(`${compiledFolder()}/${path.replace(/\.tsx?$/, ".js")}`).href;
}
