// LinkHub Integrator: everything one environment needs, in one resource group.
// No secret is a parameter or an output: each service is reached with the app's managed identity.
targetScope = 'resourceGroup'

@description('Short name of the environment, the beginning of every resource name.')
@minLength(3)
@maxLength(11)
param name string

@description('Azure region; one that offers Flex Consumption.')
param location string = resourceGroup().location

@description('Python version of the app.')
@allowed(['3.11', '3.12', '3.13'])
param pythonVersion string = '3.12'

@description('Memory of an instance in MB.')
@allowed([512, 2048, 4096])
param instanceMemoryMB int = 2048

@description('Instances at most, over all functions; 40 is the lowest the platform takes.')
@minValue(40)
@maxValue(1000)
param maximumInstanceCount int = 40

@description('Requests one instance serves at a time, and threads of its worker; not below the jobs it runs at a time (host.json: batchSize + newBatchThreshold).')
@minValue(6)
@maxValue(32)
param concurrency int = 8

@description('Origins of the dashboard, such as https://dashboard.example.com.')
param allowedOrigins array = []

@description('Entra group or user that administers the SQL server: its display name.')
param sqlAdminName string

@description('Entra group or user that administers the SQL server: its object id.')
param sqlAdminObjectId string

@description('What the SQL administrator is.')
@allowed(['Group', 'User', 'Application'])
param sqlAdminType string = 'Group'

@description('Minutes without use after which the database pauses; -1 for never.')
param sqlAutoPauseMinutes int = -1

@description('Issuer of the callers\' tokens, such as https://login.microsoftonline.com/<tenant>/v2.0.')
param oidcIssuer string

@description('Audience that callers\' tokens must name.')
param oidcAudience string

@description('Role in a token that makes its caller an administrator.')
param oidcAdminRole string = 'integrator.admin'

@description('Base address of the LinkHub API.')
param linkhubApiUrl string

@description('Name of the Key Vault secret that holds the key of the LinkHub API; the secret itself is put there by hand.')
param linkhubApiKeySecret string = 'linkhub-api-key'

@description('Mail server for notifications, such as smtp.example.com; without one, mails stay in the outbox.')
param smtpHost string = ''

@description('Port of the mail server: 587 with STARTTLS, or 465 with TLS from the first byte.')
@minValue(1)
@maxValue(65535)
param smtpPort int = 587

@description('User the app signs in with at the mail server; empty for none.')
param smtpUser string = ''

@description('Name of the Key Vault secret that holds the password of the mail server; the secret itself is put there by hand.')
param smtpPasswordSecret string = 'smtp-password'

@description('Sender of the mails, such as LinkHub Integrator <integrator@example.com>.')
param smtpFrom string = ''

@description('Address of the dashboard, which mails link to.')
param dashboardUrl string = ''

@description('Private networks in which customers may have their warehouses, such as 10.20.0.0/16 for an office behind a VPN; empty for public addresses only.')
param warehouseNetworks string = ''

@description('Folder for downloads, such as /mounts/work on a mounted file share; empty for the temporary disk of the plan (0.8 GB), which is too small for large Convex exports.')
param workDir string = ''

@description('Address at which providers reach the app, such as https://integrator.example.com; empty for its own host name.')
param publicUrl string = ''

@description('What providers need beside their defaults, by setting, such as SIGN_IN_ENTRA_CLIENT_ID: the client id of the app registered there. Client secrets go into the vault.')
param providerSettings object = {}

@description('Tags of every resource.')
param tags object = {}

var base = toLower(name)
var suffix = uniqueString(resourceGroup().id, base)

module identity 'modules/identity.bicep' = {
  name: 'identity'
  params: {
    name: 'id-${base}-${suffix}'
    location: location
    tags: tags
  }
}

module monitoring 'modules/monitoring.bicep' = {
  name: 'monitoring'
  params: {
    workspaceName: 'log-${base}-${suffix}'
    insightsName: 'appi-${base}-${suffix}'
    location: location
    tags: tags
  }
}

module storage 'modules/storage.bicep' = {
  name: 'storage'
  params: {
    // 24 characters at most: a storage account takes no dashes
    name: take('st${replace(base, '-', '')}${suffix}', 24)
    location: location
    tags: tags
  }
}

module keyVault 'modules/key-vault.bicep' = {
  name: 'key-vault'
  params: {
    name: take('kv-${base}-${suffix}', 24)
    location: location
    tags: tags
  }
}

module sql 'modules/sql.bicep' = {
  name: 'sql'
  params: {
    serverName: 'sql-${base}-${suffix}'
    location: location
    adminName: sqlAdminName
    adminObjectId: sqlAdminObjectId
    adminType: sqlAdminType
    autoPauseMinutes: sqlAutoPauseMinutes
    tags: tags
  }
}

module roles 'modules/roles.bicep' = {
  name: 'roles'
  params: {
    principalId: identity.outputs.principalId
    storageName: storage.outputs.name
    keyVaultName: keyVault.outputs.name
    insightsName: monitoring.outputs.insightsName
  }
}

module functionApp 'modules/function-app.bicep' = {
  name: 'function-app'
  params: {
    name: 'func-${base}-${suffix}'
    planName: 'plan-${base}-${suffix}'
    location: location
    identityId: identity.outputs.id
    identityClientId: identity.outputs.clientId
    storageName: storage.outputs.name
    deploymentContainer: storage.outputs.deploymentContainer
    insightsName: monitoring.outputs.insightsName
    keyVaultName: keyVault.outputs.name
    databaseUrl: sql.outputs.databaseUrl
    pythonVersion: pythonVersion
    instanceMemoryMB: instanceMemoryMB
    maximumInstanceCount: maximumInstanceCount
    concurrency: concurrency
    allowedOrigins: allowedOrigins
    oidcIssuer: oidcIssuer
    oidcAudience: oidcAudience
    oidcAdminRole: oidcAdminRole
    linkhubApiUrl: linkhubApiUrl
    linkhubApiKeySecret: linkhubApiKeySecret
    smtpHost: smtpHost
    smtpPort: smtpPort
    smtpUser: smtpUser
    smtpPasswordSecret: smtpPasswordSecret
    smtpFrom: smtpFrom
    dashboardUrl: dashboardUrl
    warehouseNetworks: warehouseNetworks
    workDir: workDir
    publicUrl: publicUrl
    providerSettings: providerSettings
    tags: tags
  }
  // The host reads its storage as soon as it starts.
  dependsOn: [
    roles
  ]
}

output functionAppName string = functionApp.outputs.name
output functionAppHost string = functionApp.outputs.host
output identityName string = identity.outputs.name
output keyVaultName string = keyVault.outputs.name
output keyVaultId string = keyVault.outputs.id
output keyVaultUrl string = keyVault.outputs.url
output sqlServerName string = sql.outputs.serverName
output databaseUrl string = sql.outputs.databaseUrl
