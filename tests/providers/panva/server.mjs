// A real OpenID provider to log in at: panva's oidc-provider, with clients and a user made for the journey tests.
//
// Prints one JSON line when it listens; ends on SIGTERM or when the pipe on its stdin closes (see ../README.md).

import { fstatSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';

// stdout carries the ready line and nothing else; the library's notices go to stderr.
console.info = console.error;

const { values: options } = parseArgs({
  options: {
    port: { type: 'string', default: '0' },
    'redirect-uri': { type: 'string', multiple: true, default: ['http://localhost:4180/oauth2/callback'] },
    'post-logout-redirect-uri': { type: 'string', multiple: true, default: [] },
    'backchannel-logout-uri': { type: 'string' },
    'access-token-ttl': { type: 'string', default: '3600' },
    'token-delay-ms': { type: 'string', default: '0' },
    'claims-in-id-token': { type: 'boolean', default: false },
  },
});

// The packages live outside the repository, in the cache that install.sh fills.
const installed = createRequire(`${process.env.SIDEGATE_TEST_PROVIDERS}/panva/`);
const { Provider } = await import(pathToFileURL(installed.resolve('oidc-provider')));

/** Everything the provider remembers. The library's own store forgets after 1,000 entries; this one never does. */
class Memory {
  static entries = new Map();
  static grants = new Map();
  static GRANTED = new Set(['AccessToken', 'AuthorizationCode', 'RefreshToken']);

  constructor(model) {
    this.model = model;
  }

  key(id) {
    return `${this.model}:${id}`;
  }

  async upsert(id, payload, expiresIn) {
    const key = this.key(id);
    Memory.entries.set(key, { payload, until: expiresIn ? Date.now() + expiresIn * 1000 : Infinity });
    if (this.model === 'Session') Memory.entries.set(`uid:${payload.uid}`, { payload: id, until: Infinity });
    if (Memory.GRANTED.has(this.model) && payload.grantId) {
      if (!Memory.grants.has(payload.grantId)) Memory.grants.set(payload.grantId, new Set());
      Memory.grants.get(payload.grantId).add(key);
    }
  }

  async find(id) {
    const entry = Memory.entries.get(this.key(id));
    return entry && entry.until > Date.now() ? entry.payload : undefined;
  }

  async findByUid(uid) {
    return this.find(Memory.entries.get(`uid:${uid}`)?.payload);
  }

  async findByUserCode() {
    return undefined;
  }

  async consume(id) {
    Memory.entries.get(this.key(id)).payload.consumed = Math.floor(Date.now() / 1000);
  }

  async destroy(id) {
    Memory.entries.delete(this.key(id));
  }

  async revokeByGrantId(grantId) {
    for (const key of Memory.grants.get(grantId) ?? []) Memory.entries.delete(key);
    Memory.grants.delete(grantId);
  }
}

const ACCOUNT = {
  email: 'alice@example.com',
  email_verified: true,
  groups: ['editors', 'staff'],
  name: 'Alice Liddell',
  preferred_username: 'alice',
};

// The basic client's secret holds what RFC 6749 §2.3.1 makes a client encode before it goes into HTTP Basic.
const CLIENTS = {
  basic: { client_id: 'sidegate-basic', client_secret: 'a secret: 100% + more', auth: 'basic' },
  post: { client_id: 'sidegate-post', client_secret: 'panva-post-secret', auth: 'post' },
  public: { client_id: 'sidegate-public', auth: 'none' },
};

function registration({ client_id, client_secret, auth }) {
  return {
    client_id,
    client_secret,
    token_endpoint_auth_method: auth === 'none' ? 'none' : `client_secret_${auth}`,
    grant_types: ['authorization_code', 'refresh_token', ...(client_secret ? ['client_credentials'] : [])],
    response_types: ['code'],
    redirect_uris: options['redirect-uri'],
    post_logout_redirect_uris: options['post-logout-redirect-uri'],
    ...(options['backchannel-logout-uri'] && {
      backchannel_logout_uri: options['backchannel-logout-uri'],
      backchannel_logout_session_required: true,
    }),
  };
}

function signingKey(alg, type, parameters) {
  return { ...generateKeyPairSync(type, parameters).privateKey.export({ format: 'jwk' }), alg, use: 'sig', kid: alg };
}

function configuration() {
  return {
    adapter: Memory,
    clients: Object.values(CLIENTS).map(registration),
    clientDefaults: { id_token_signed_response_alg: 'RS256' },
    jwks: {
      keys: [signingKey('RS256', 'rsa', { modulusLength: 2048 }), signingKey('ES256', 'ec', { namedCurve: 'P-256' })],
    },
    cookies: { keys: [randomBytes(32).toString('hex')] },
    scopes: ['openid', 'offline_access', 'api'],
    claims: {
      openid: ['sub'],
      email: ['email', 'email_verified'],
      groups: ['groups'],
      profile: ['name', 'preferred_username'],
    },
    conformIdTokenClaims: !options['claims-in-id-token'],
    findAccount: async (_ctx, sub) => ({ accountId: sub, claims: async () => ({ sub, ...ACCOUNT }) }),
    // Always a refresh token, with or without offline_access, and a new one at each use; a used one ends the grant.
    issueRefreshToken: async (_ctx, client) => client.grantTypeAllowed('refresh_token'),
    rotateRefreshToken: true,
    pkce: { required: () => true },
    ttl: {
      AccessToken: Number(options['access-token-ttl']),
      ClientCredentials: Number(options['access-token-ttl']),
      AuthorizationCode: 60,
      Grant: 1_209_600,
      IdToken: 3600,
      Interaction: 3600,
      RefreshToken: 1_209_600,
      Session: 1_209_600,
    },
    features: {
      backchannelLogout: { enabled: true },
      clientCredentials: { enabled: true },
      devInteractions: { enabled: true },
      introspection: { enabled: true, allowedPolicy: async () => true },
      revocation: { enabled: true, allowedPolicy: async (_ctx, client, token) => token.clientId === client.clientId },
      rpInitiatedLogout: { enabled: true },
      userinfo: { enabled: true },
      // Without `resource` nothing changes; with it (RFC 8707) the access token is a JWT for that audience.
      resourceIndicators: {
        enabled: true,
        defaultResource: async () => undefined,
        useGrantedResource: async () => true,
        getResourceServerInfo: async (_ctx, resource) => ({
          audience: resource,
          scope: 'api',
          accessTokenFormat: 'jwt',
          accessTokenTTL: Number(options['access-token-ttl']),
          jwt: { sign: { alg: 'RS256' } },
        }),
      },
    },
    // The library's dispatcher cuts connections to loopback addresses, where the gateway under test lives.
    fetch: (url, init) => globalThis.fetch(url, { ...init, dispatcher: undefined }),
  };
}

const counts = { token: 0, by_grant: {}, refused: {}, revoke: 0, me: 0 };

function tally(table, name) {
  table[name] = (table[name] ?? 0) + 1;
}

async function count(ctx, next) {
  if (ctx.path === '/__count') {
    ctx.body = counts;
    return;
  }
  if (ctx.path === '/token') {
    await new Promise((resolve) => setTimeout(resolve, Number(options['token-delay-ms'])));
  }
  await next();
  if (ctx.path === '/me') counts.me += 1;
  if (ctx.path === '/token/revocation') counts.revoke += 1;
  if (ctx.path === '/token') {
    const grant = ctx.oidc?.params?.grant_type ?? ctx.oidc?.body?.grant_type ?? 'unknown';
    counts.token += 1;
    tally(counts.by_grant, grant);
    if (ctx.status >= 400) tally(counts.refused, grant);
  }
}

function ready(issuer) {
  return {
    ready: true,
    provider: 'panva',
    issuer,
    authorization_endpoint: `${issuer}/auth`,
    token_endpoint: `${issuer}/token`,
    userinfo_endpoint: `${issuer}/me`,
    jwks_uri: `${issuer}/jwks`,
    revocation_endpoint: `${issuer}/token/revocation`,
    introspection_endpoint: `${issuer}/token/introspection`,
    end_session_endpoint: `${issuer}/session/end`,
    count_endpoint: `${issuer}/__count`,
    scopes: ['openid', 'profile', 'email', 'groups', 'offline_access'],
    clients: CLIENTS,
    user: { username: 'alice', password: 'password' },
    forms: [{ login: 'alice', password: 'password' }, {}],
    logout_forms: [{ logout: 'yes' }],
  };
}

const server = createServer();
server.keepAliveTimeout = 60_000;
server.listen(Number(options.port), '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, configuration());
  provider.use(count);
  provider.on('server_error', (_ctx, error) => console.error(error));
  server.on('request', provider.callback());
  console.log(JSON.stringify(ready(issuer)));
});

process.on('SIGTERM', () => process.exit(0));
const stdin = fstatSync(0);
if (stdin.isFIFO() || stdin.isSocket()) process.stdin.on('end', () => process.exit(0)).resume();
