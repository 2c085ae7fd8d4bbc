// Makes a clone ready to run: installs exactly what the lock file says when it is not there yet, and says so.
// Plain JavaScript without dependencies, because it runs before anything is installed.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(fileURLToPath(import.meta.url));
const modules = join(root, "node_modules");
const stamp = join(modules, ".standings-lock");

/** `npx standings` finds the command in `node_modules/.bin`, as it would in a project that depends on Standings. */
function link() {
  const bin = join(modules, ".bin");
  const target = join(bin, "standings");
  if (!existsSync(modules) || existsSync(target)) return;
  mkdirSync(bin, { recursive: true });
  if (process.platform === "win32") {
    writeFileSync(`${target}.cmd`, `@node "%~dp0\\..\\..\\standings.mjs" %*\r\n`);
  } else {
    symlinkSync("../../standings.mjs", target);
  }
}

function install() {
  const lock = createHash("sha256")
    .update(readFileSync(join(root, "package-lock.json")))
    .digest("hex");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === lock) return;
  console.error("Installing the packages that package-lock.json names (once; about half a minute) …");
  const npm = process.platform === "win32" ? "npm.cmd" : "npm";
  const done = spawnSync(npm, ["ci", "--no-audit", "--no-fund", "--loglevel=error"], {
    cwd: root,
    stdio: ["ignore", "ignore", "inherit"],
    shell: process.platform === "win32",
  });
  if (done.status !== 0) {
    console.error("npm ci failed. Run it by hand to see why: npm ci");
    process.exit(1);
  }
  writeFileSync(stamp, lock);
  console.error("Installed.");
}

/** Compiles to `dist/` with what the compiler does not copy: the SQL of the migrations, documents of systems, the example's lists and rules. */
function build() {
  rmSync(join(root, "dist"), { recursive: true, force: true });
  const tsc = join(modules, "typescript", "bin", "tsc");
  const done = spawnSync(process.execPath, [tsc, "-p", "tsconfig.build.json"], {
    cwd: root,
    stdio: "inherit",
  });
  if (done.status !== 0) process.exit(1);
  for (const folder of ["db/migrations", "src/connectors/documents", "examples"]) {
    cpSync(join(root, folder), join(root, "dist", folder), {
      recursive: true,
      filter: (path) => !path.endsWith(".ts"),
    });
  }
}

if (Number(process.versions.node.split(".")[0]) < 20) {
  console.error(`Standings needs Node 20.19 or newer; this is ${process.version}.`);
  process.exit(1);
}
const step = process.argv[2] ?? "install";
if (step === "install") install();
if (step === "build") build();
link();
