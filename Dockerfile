# One image for every process of a deployment: `api`, `worker` and each command of the command line.

FROM node:24-bookworm-slim AS build
WORKDIR /build
COPY package.json package-lock.json ./
# Nothing that is needed here is made by an install script.
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY setup.mjs standings.mjs tsconfig.json tsconfig.build.json ./
COPY db db
COPY src src
COPY workers workers
COPY examples examples
RUN npm run build

FROM node:24-bookworm-slim AS packages
WORKDIR /build
COPY package.json package-lock.json ./
# Without the optional packages there is no embedded Postgres: a container is given a database.
RUN npm ci --omit=dev --omit=optional --ignore-scripts --no-audit --no-fund

FROM node:24-bookworm-slim
ENV NODE_ENV=production STANDINGS_HOST=0.0.0.0
WORKDIR /app
# Everything belongs to root and is only read: the process writes nothing to disk.
COPY --from=packages /build/node_modules node_modules
COPY --from=build /build/dist dist
COPY package.json standings.mjs LICENSE ./
USER node
EXPOSE 4600
# Of the API: it answers and reaches its database. A source that is late is told by /healthz and is no reason to restart this.
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --retries=3 CMD ["node", "-e", "fetch('http://127.0.0.1:' + (process.env.STANDINGS_PORT || 4600) + '/healthz').then((answer) => answer.json()).then((health) => process.exit(health.database === 'reachable' ? 0 : 1), () => process.exit(1))"]
STOPSIGNAL SIGTERM
# Without these V8 keeps what it has collected: a worker that pulled 100,000 rows held 273 MB, and 162 with a still smaller heap.
ENTRYPOINT ["node", "--max-semi-space-size=4", "--max-old-space-size=512", "standings.mjs"]
CMD ["api"]
