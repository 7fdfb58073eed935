// What is given to the page? Zooniverse's own libraries, unchanged; they find their hosts by themselves.
import * as panoptesJs from '@zooniverse/panoptes-js'
import auth from 'panoptes-client/lib/auth'
import oauth from 'panoptes-client/lib/oauth'
import { classify } from './classify.mjs'
import { renewedToken } from './renewed_token.mjs'

async function renewed () {
  const { token, isNew } = await renewedToken(auth)
  const { user } = await panoptesJs.auth.decodeJWT(token)
  return { changed: isNew, user }
}

window.libraries = { auth, classify, oauth, renewed }
