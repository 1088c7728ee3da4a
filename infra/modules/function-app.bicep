// The app on Flex Consumption: its plan, its runtime, and the settings its code reads.
param name string
param planName string
param location string
param identityId string
param identityClientId string
param storageName string
param deploymentContainer string
param insightsName string
param keyVaultName string
param databaseUrl string
param pythonVersion string
param instanceMemoryMB int
param maximumInstanceCount int
param concurrency int
param allowedOrigins array
param oidcIssuer string
param oidcAudience string
param oidcAdminRole string
param linkhubApiUrl string
param linkhubApiKeySecret string
param smtpHost string
param smtpPort int
param smtpUser string
param smtpPasswordSecret string
param smtpFrom string
param dashboardUrl string
param warehouseNetworks string
param workDir string
param publicUrl string
param providerSettings object
param tags object

resource storage 'Microsoft.Storage/storageAccounts@2023-05-01' existing = {
  name: storageName
}

resource insights 'Microsoft.Insights/components@2020-02-02' existing = {
  name: insightsName
}

resource vault 'Microsoft.KeyVault/vaults@2023-07-01' existing = {
  name: keyVaultName
}

resource plan 'Microsoft.Web/serverfarms@2024-04-01' = {
  name: planName
  location: location
  tags: tags
  kind: 'functionapp'
  sku: {
    name: 'FC1'
    tier: 'FlexConsumption'
  }
  properties: {
    reserved: true
  }
}

resource app 'Microsoft.Web/sites@2024-04-01' = {
  name: name
  location: location
  tags: tags
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identityId}': {}
    }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: '${storage.properties.primaryEndpoints.blob}${deploymentContainer}'
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identityId
          }
        }
      }
      runtime: {
        name: 'python'
        version: pythonVersion
      }
      scaleAndConcurrency: {
        instanceMemoryMB: instanceMemoryMB
        maximumInstanceCount: maximumInstanceCount
        triggers: {
          http: {
            perInstanceConcurrency: concurrency
          }
        }
      }
    }
    siteConfig: {
      minTlsVersion: '1.2'
      http20Enabled: true
      cors: {
        allowedOrigins: allowedOrigins
        supportCredentials: false
      }
    }
  }
}

// One name a line: a test compares them with those the code reads. What a provider needs is in
// providerSettings, so that a new one changes nothing here.
resource settings 'Microsoft.Web/sites/config@2024-04-01' = {
  parent: app
  name: 'appsettings'
  properties: union(providerSettings, {
    AzureWebJobsStorage__blobServiceUri: storage.properties.primaryEndpoints.blob
    AzureWebJobsStorage__queueServiceUri: storage.properties.primaryEndpoints.queue
    AzureWebJobsStorage__tableServiceUri: storage.properties.primaryEndpoints.table
    AzureWebJobsStorage__credential: 'managedidentity'
    AzureWebJobsStorage__clientId: identityClientId
    APPLICATIONINSIGHTS_CONNECTION_STRING: insights.properties.ConnectionString
    APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'Authorization=AAD;ClientId=${identityClientId}'
    PYTHON_THREADPOOL_THREAD_COUNT: string(concurrency)
    AZURE_CLIENT_ID: identityClientId
    DATABASE_URL: databaseUrl
    DATABASE_USE_MANAGED_IDENTITY: 'true'
    KEY_VAULT_URL: vault.properties.vaultUri
    OIDC_ISSUER: oidcIssuer
    OIDC_AUDIENCE: oidcAudience
    OIDC_ADMIN_ROLE: oidcAdminRole
    LINKHUB_API_URL: linkhubApiUrl
    LINKHUB_API_KEY_SECRET: linkhubApiKeySecret
    SMTP_HOST: smtpHost
    SMTP_PORT: string(smtpPort)
    SMTP_USER: smtpUser
    SMTP_PASSWORD_SECRET: smtpPasswordSecret
    SMTP_FROM: smtpFrom
    DASHBOARD_URL: dashboardUrl
    WAREHOUSE_NETWORKS: warehouseNetworks
    WORK_DIR: workDir
    PUBLIC_URL: empty(publicUrl) ? 'https://${app.properties.defaultHostName}' : publicUrl
  })
}

// Publishing goes by Entra sign-in; no publishing password opens the app.
resource noScmPassword 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-04-01' = {
  parent: app
  name: 'scm'
  properties: {
    allow: false
  }
}

resource noFtpPassword 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-04-01' = {
  parent: app
  name: 'ftp'
  properties: {
    allow: false
  }
}

output name string = app.name
output host string = app.properties.defaultHostName
