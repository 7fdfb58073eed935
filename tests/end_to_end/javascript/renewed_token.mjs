// Does a client renew its token before it expires? Two hours pass for the client alone.
const LIFETIME = 2 * 3600 * 1000

/** Ask for the token once now and once when it has expired. */
export async function renewedToken (auth) {
  const before = await auth.checkBearerToken()
  const now = Date.now
  Date.now = () => now() + LIFETIME
  try {
    const token = await auth.checkBearerToken()
    return { token, isNew: token.split('.').length === 3 && token !== before }
  } finally {
    Date.now = now
  }
}
