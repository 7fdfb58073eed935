// What does a page of the classifier ask, from opening a project to Done? Each request by the library
// that the classifier makes it with; no host is named but Caesar's, which the classifier names, too.
import { panoptes, projects, subjects, tutorials } from '@zooniverse/panoptes-js'
import { GraphQLClient } from 'graphql-request'
import auth from 'panoptes-client/lib/auth'

/** Sign in (or not), read all, post `annotations`, sign out; return what the test looks at. */
export async function classify ({ projectId, workflowId, login, annotations }) {
  const before = await auth.checkCurrent()
  if (before !== null) throw new Error('somebody is signed in')
  let authorization = ''
  if (login) {
    await auth.signIn({ login, password: 'sandbox' })
    authorization = `Bearer ${await auth.checkBearerToken()}`
  }
  const id = String(projectId), workflow = String(workflowId)
  const [project] = (await projects.get({ id, authorization })).body.projects
  const [{ version }] = (await panoptes.get(`/workflows/${workflow}`, {}, { authorization })).body.workflows
  await panoptes.get('/translations', { translated_type: 'workflow', translated_id: workflow, language: 'en' })
  await tutorials.get({ workflowId: workflow })
  await panoptes.get('/field_guides', { project_id: id })
  const tried = {}
  if (login) {
    const user = await auth.checkCurrent()
    const asked = { project_id: id, user_id: user.id }
    tried.roles = (await panoptes.get('/project_roles', asked, { authorization })).body.project_roles
    let [upp] = (await panoptes.get('/project_preferences', asked, { authorization })).body.project_preferences
    tried.hadPreferences = upp !== undefined
    upp ??= (await panoptes.post('/project_preferences',
      { project_preferences: { links: { project: id }, preferences: {} } }, { authorization })).body.project_preferences[0]
    const fresh = await panoptes.get(`/project_preferences/${upp.id}`, {}, { authorization })
    const preferences = { ...fresh.body.project_preferences[0].preferences, tutorials_completed_at: { 1: 'now' } }
    const headers = { authorization, etag: fresh.headers.etag }
    const put = await panoptes.put(`/project_preferences/${upp.id}`, { project_preferences: { preferences } }, headers)
    tried.preferences = put.body.project_preferences[0].preferences
    tried.newEtag = put.headers.etag !== fresh.headers.etag
  }
  const [subject] = (await subjects.getSubjectQueue({ workflowId: workflow, authorization })).body.subjects
  const [[, url]] = Object.entries(subject.locations[0])
  const picture = await new Promise((resolve, reject) => {
    const image = new Image()
    image.onload = () => resolve([image.naturalWidth, image.naturalHeight])
    image.onerror = () => reject(new Error(url))
    image.src = url
  })
  const caesar = new GraphQLClient('https://caesar.zooniverse.org/graphql')
  const answer = await caesar.request(
    `{ workflow(id: ${workflow}) { subject_reductions(subjectId: ${subject.id}, reducerKey:"machineLearnt") { data } } }`)
  const now = new Date().toISOString()
  const classifications = {
    annotations, completed: true, links: { project: project.id, subjects: [subject.id], workflow },
    metadata: { classifier_version: '2.0', feedback: {}, started_at: now, finished_at: now, session: 'f'.repeat(64),
      source: 'api', subject_flagged: false, user_agent: navigator.userAgent, user_language: 'en', utc_offset: '0',
      workflow_version: version, viewport: { width: innerWidth, height: innerHeight },
      subject_dimensions: [{ clientHeight: 1, clientWidth: 1, naturalHeight: picture[1], naturalWidth: picture[0] }] } }
  const { body, status } = await panoptes.post('/classifications', { classifications }, { authorization })
  const [saved] = body.classifications
  if (login) {
    await auth.signOut()
    tried.after = await auth.checkCurrent()
  }
  return { status, id: saved.id, user: saved.links.user, url, picture, tried,
    proposals: answer.workflow.subject_reductions[0].data.data.length }
}
