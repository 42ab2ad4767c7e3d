import { copyFile, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { brotliCompress, constants, gzip } from "node:zlib";
import react from "@vitejs/plugin-react";
import { defineConfig, type Plugin } from "vite";

const out = new URL("../internal/web/dist/", import.meta.url).pathname;

/** The server a page under `npm run dev` talks to. */
const server = process.env.SEGUE_URL ?? "http://127.0.0.1:8080";

export default defineConfig({
  plugins: [react(), borrowConfig(), compress()],
  build: {
    outDir: out,
    emptyOutDir: true,
    target: ["chrome123", "firefox128", "safari17.5"],
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0, // a data: URL would need a hole in the content security policy
    chunkSizeWarningLimit: 4000,
    rolldownOptions: {
      input: { playground: "index.html", dashboard: "dashboard.html" },
      onLog: (level, log, pass) => log.code === "MODULE_LEVEL_DIRECTIVE" || pass(level, log), // of the React compiler, in GraphiQL
    },
  },
  worker: { format: "es" },
  server: { proxy: { "/graphql": { target: server, ws: true } } },
});

/** Under `npm run dev`, gives pages the configuration that the real server would put into them. */
function borrowConfig(): Plugin {
  const slot = /<script type="application\/json" id="segue-config">[^<]*<\/script>/;
  return {
    name: "segue-borrow-config",
    apply: "serve",
    async transformIndexHtml(html) {
      const page = await fetch(`${server}/dashboard`).then((answer) => answer.text()).catch(() => "");
      const config = page.match(slot)?.[0];
      return config ? html.replace(slot, () => config) : html;
    },
  };
}

/**
 * Leaves each asset behind twice, as .br and .gz, and not in the plain: the binary embeds them, every browser takes
 * one of the two, and the server unpacks the .gz for whoever takes neither.
 */
function compress(): Plugin {
  return {
    name: "segue-compress",
    apply: "build",
    async closeBundle() {
      const assets = join(out, "assets");
      await Promise.all((await readdir(assets)).map((name) => squeeze(join(assets, name))));
      await copyFile("src/gql/documents.json", join(out, "documents.json"));
      await writeFile(join(out, ".gitkeep"), ""); // emptied with the rest
    },
  };
}

async function squeeze(file: string) {
  const plain = await readFile(file);
  const params = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: plain.length };
  const [br, gz] = await Promise.all([promisify(brotliCompress)(plain, { params }), promisify(gzip)(plain, { level: 9 })]);
  await Promise.all([writeFile(`${file}.br`, br), writeFile(`${file}.gz`, gz), rm(file)]);
}
