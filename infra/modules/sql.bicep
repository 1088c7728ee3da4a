// The one shared state. Nobody signs in with a password: the administrator is an Entra principal,
// the app a contained user that the administrator makes once (docs/deploy.md).
param serverName string
param location string
param adminName string
param adminObjectId string
param adminType string
param autoPauseMinutes int
param tags object

resource server 'Microsoft.Sql/servers@2021-11-01' = {
  name: serverName
  location: location
  tags: tags
  properties: {
    minimalTlsVersion: '1.2'
    administrators: {
      administratorType: 'ActiveDirectory'
      azureADOnlyAuthentication: true
      login: adminName
      sid: adminObjectId
      principalType: adminType
      tenantId: subscription().tenantId
    }
  }
}

// 0.0.0.0 lets Azure's own addresses in; who they are is still decided by Entra ID.
resource azureServices 'Microsoft.Sql/servers/firewallRules@2021-11-01' = {
  parent: server
  name: 'AllowAllWindowsAzureIps'
  properties: {
    startIpAddress: '0.0.0.0'
    endIpAddress: '0.0.0.0'
  }
}

resource database 'Microsoft.Sql/servers/databases@2021-11-01' = {
  parent: server
  name: 'integrator'
  location: location
  tags: tags
  sku: {
    name: 'GP_S_Gen5'
    tier: 'GeneralPurpose'
    family: 'Gen5'
    capacity: 2
  }
  properties: {
    minCapacity: json('0.5')
    // The tick timer asks the database every minute, so pausing helps only where the app is stopped.
    autoPauseDelay: autoPauseMinutes
  }
}

output serverName string = server.name
// No driver is named: the app takes the newest one its image has.
output databaseUrl string = 'mssql+pyodbc://@${server.properties.fullyQualifiedDomainName}:1433/${database.name}?Encrypt=yes'
