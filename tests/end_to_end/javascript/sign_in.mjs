// Can somebody sign in, keep preferences, classify and sign out with Zooniverse's own client?
//
// The JavaScript panoptes-client in node, told of its host as it documents: PANOPTES_API_HOST.
// Usage: PANOPTES_API_HOST=<sandbox> node sign_in.mjs <login> <project id> <workflow id> <report file>
import apiClient from 'panoptes-client/lib/api-client.js'
import auth from 'panoptes-client/lib/auth.js'
import { resources } from './contract/resources.mjs'
import { Report, expect } from './contract/report.mjs'
import { renewedToken } from './renewed_token.mjs'

const [login, projectId, workflowId, reportPath] = process.argv.slice(2)
const report = new Report()
const fits = (kind, resource) => resources[kind].create(JSON.parse(JSON.stringify(resource)))
let user, project, preferences

await report.check('nobody is signed in at first', async () => {
  expect(await auth.checkCurrent() === null, 'nobody')
  expect(await auth.checkBearerToken() === '', 'no token')
})
await report.check('a wrong password is refused with words', async () => {
  const failure = await auth.signIn({ login, password: 'wrong' }).catch(error => error)
  expect(failure.status === 401, `401, got ${failure.status}`)
  expect(failure.message === 'Invalid email or password.', failure.message)
})
await report.check('signing in with login and password', async () => {
  user = await auth.signIn({ login, password: 'sandbox' })
  fits('user', user)
  expect(user.login === login, login)
  expect((await auth.checkCurrent()).id === user.id, 'the same user from then on')
  expect((await auth.checkBearerToken()).split('.').length === 3, 'a token')
})
await report.check('an expiring token is renewed', async () => {
  expect((await renewedToken(auth)).isNew, 'another token')
  expect((await apiClient.get('/me'))[0].login === login, 'the same user')
})
await report.check('a project and what hangs on it', async () => {
  project = await apiClient.type('projects').get(projectId)
  fits('project', project)
  expect((await project.get('owner')).login === 'builder', 'its owner')
  expect((await project.get('workflows'))[0].id === workflowId, 'its workflow')
  expect((await project.get('avatar'))[0].src.endsWith('.png'), 'its picture')
  const [found] = await apiClient.type('projects').get({ slug: project.slug, include: 'owners,avatar' })
  expect(found === project, 'the cached one')
})
await report.check('preferences are made, changed and kept', async () => {
  const draft = apiClient.type('project_preferences').create({ links: { project: projectId }, preferences: {} })
  preferences = await draft.save()
  fits('preferences', preferences)
  await preferences.update({ 'preferences.tutorials_completed_at': { 1: new Date().toISOString() } }).save()
  preferences.uncache()
  const [kept] = await apiClient.type('project_preferences').get({ project_id: projectId, user_id: user.id })
  fits('preferences', kept)
  expect(kept.preferences.tutorials_completed_at['1'], 'the tutorial as seen')
})
await report.check('a role is not needed to ask for one', async () => {
  const roles = await apiClient.type('project_roles').get({ project_id: projectId, user_id: user.id })
  expect(Array.isArray(roles) && roles.length === 0, 'an empty list')
})
await report.check('a classification is saved and seen among the recent ones', async () => {
  const [subject] = await apiClient.get('/subjects/queued', { workflow_id: workflowId })
  const workflow = await apiClient.type('workflows').get(workflowId)
  const now = new Date().toISOString()
  const draft = apiClient.type('classifications').create({
    annotations: [{ task: 'T0', taskType: 'drawing', value: [] }], completed: true,
    links: { project: projectId, workflow: workflowId, subjects: [subject.id] },
    metadata: { started_at: now, finished_at: now, user_agent: 'node', user_language: 'en', workflow_version: workflow.version },
  })
  const saved = await draft.save()
  expect(saved.links.user === user.id, 'it to be this user\'s')
  const query = { project_id: projectId, sort: '-created_at', include: 'subject' }
  const [recent] = await apiClient.get(`/users/${user.id}/recents`, query)
  fits('recent', recent)
  expect(recent.links.subject === subject.id, 'the subject')
  report.facts.classification = saved.id
})
await report.check('favourites are refused with a reason', async () => {
  const failure = await apiClient.get('/collections', { favorite: true }).catch(error => error)
  expect(failure.status === 404 && failure.message.includes('no collections'), 'the reason')
})
await report.check('signing out', async () => {
  await auth.signOut()
  expect(await auth.checkCurrent() === null, 'nobody')
  const failure = await apiClient.get('/me').catch(error => error)
  expect(failure.status === 401, `401, got ${failure.status}`)
})
report.write(reportPath)
