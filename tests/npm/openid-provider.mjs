// An OpenID provider for tests: `node openid-provider.mjs PORT CLIENT_ID CLIENT_SECRET REDIRECT_URI`.
// Whoever logs in with a name NAME has the subject NAME and the verified address NAME@example.com;
// the name may be anything, and so may the password. A line on standard output says that it listens.
import Provider from 'oidc-provider';

const [port, clientId, clientSecret, redirectUri] = process.argv.slice(2);
const issuer = `http://127.0.0.1:${port}`;
const provider = new Provider(issuer, {
  clients: [{ client_id: clientId, client_secret: clientSecret, redirect_uris: [redirectUri] }],
  claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'] },
  findAccount: (_, name) => ({
    accountId: name,
    claims: () => ({ sub: name, email: `${name}@example.com`, email_verified: true, name }),
  }),
  pkce: { required: () => true },
  features: { devInteractions: { enabled: true } },
  cookies: { keys: ['for tests'] },
});
provider.listen(Number(port), '127.0.0.1', () => console.log(`listening at ${issuer}`));
