// Asks a local rightmodel which model a turn of OpenClaw needs, and sets it among the models that
// OpenClaw itself knows. When rightmodel does not answer in time, the turn goes on as configured.

const USUAL_URL = "http://127.0.0.1:8765";
const TIMEOUT_MS = 250;
const CANDIDATES = 50;

/** "provider/model" of every model in OpenClaw's own configuration. */
function configured(config) {
  const names = new Set(Object.keys(config?.agents?.defaults?.models ?? {}));
  for (const [provider, { models }] of Object.entries(config?.models?.providers ?? {})) {
    for (const model of models ?? []) names.add(`${provider}/${model.id}`);
  }
  return names;
}

/** The best candidate that OpenClaw has, as an override; undefined where it has none. */
function override(candidates, own, names) {
  for (const { model, provider, name } of candidates) {
    const found = own[model] ?? [model, `${provider}/${name}`].find((known) => names.has(known));
    if (!found) continue;
    const slash = found.indexOf("/");
    return { providerOverride: found.slice(0, slash), modelOverride: found.slice(slash + 1) };
  }
  return undefined;
}

async function candidates(url, token, body) {
  const headers = { "content-type": "application/json" };
  if (token) headers.authorization = `Bearer ${token}`;
  const response = await fetch(`${url}/v1/route`, {
    method: "POST",
    headers,
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  if (!response.ok) throw new Error(`status ${response.status}`);
  return (await response.json()).candidates ?? [];
}

export default {
  id: "rightmodel-router",
  name: "rightmodel router",
  description: "Chooses the model of each turn with a local rightmodel",
  register(api) {
    const { url = USUAL_URL, tokenEnv, tier, models = {} } = api.pluginConfig ?? {};
    const token = tokenEnv ? process.env[tokenEnv] : undefined;
    api.on("before_model_resolve", async ({ prompt }) => {
      if (!prompt?.trim()) return undefined;
      try {
        const body = { prompt, limit: CANDIDATES, judge: false, ...(tier ? { tier } : {}) };
        return override(await candidates(url, token, body), models, configured(api.config));
      } catch (error) {
        api.logger?.warn?.(`rightmodel-router: ${error.message}; the configured model stays`);
        return undefined;
      }
    });
  },
};
